"""Experiments of the chapter YOPO."""
