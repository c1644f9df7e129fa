"""Image restoration as a flow with a moving endpoint: degradations, units, schedules, stopping, baselines.

The names of this package are imported when they are first asked for.
"""

from contdepth.faces import face

__getattr__, __dir__, __all__ = face(__name__, __file__)
