"""When to stop: rules, policies and how they learn."""

from contdepth.faces import former

__getattr__ = former(__name__)
