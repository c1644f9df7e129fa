"""Experiments of the chapter Numerical schemes."""
