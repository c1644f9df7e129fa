"""Continuous-depth deep learning: schemes, networks, training and data behind the executable companion.

The rooms are imported by name (``from contdepth.schemes import ForwardEuler``); nothing heavy happens here.
"""

__version__ = "0.1.0"
