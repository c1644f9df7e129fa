"""Attacks on a classifier, and audits made of them."""

from contdepth.faces import former

__getattr__ = former(__name__)
