"""Image restoration as a flow with a moving endpoint: degradations, units, schedules, stopping, baselines.

Import from the modules; this package imports none of them.
"""

from contdepth.faces import face

__getattr__, __dir__, __all__ = face(__name__, __file__)
