"""Training as optimal control: co-states, Hamiltonians and the maximum principle for networks."""

from contdepth.faces import face

__getattr__, __dir__, __all__ = face(__name__, __file__)
