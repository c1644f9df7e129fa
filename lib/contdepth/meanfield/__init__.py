"""Deep ResNets as particles (θ, t) of a distribution over weights and depth: the mean-field ODE and its landscape.

Convolutional nets with trained times are in ``contdepth.meanfield.convnet``, what is measured on them in
``contdepth.studies.meanfield.conv_probes``.
"""

from contdepth.faces import face

__getattr__, __dir__, __all__ = face(__name__, __file__)
