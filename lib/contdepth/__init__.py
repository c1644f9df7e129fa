"""Continuous-depth deep learning: schemes, networks, training and data behind the executable companion.

The rooms are loaded when they are first used (``import contdepth; contdepth.schemes``, or
``from contdepth.schemes import ForwardEuler``); importing the package itself loads no other library.
"""

from contdepth.faces import face, find_moved

__version__ = "0.2.0.dev0"

find_moved()
__getattr__, __dir__, __all__ = face(__name__, __file__)
