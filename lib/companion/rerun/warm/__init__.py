"""Kernels that start with their packages imported, forked from one process."""
