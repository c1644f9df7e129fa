"""Experiments of the chapter DURR."""
