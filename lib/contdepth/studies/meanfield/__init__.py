"""Experiments of the chapter Mean-field ResNet."""
