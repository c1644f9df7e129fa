"""PDE-Net 2.0: a SymNet on learned derivatives, fitted by L-BFGS."""

from contdepth.faces import former

__getattr__ = former(__name__)
