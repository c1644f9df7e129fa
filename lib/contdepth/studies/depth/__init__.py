"""Experiments of the theme on depth as time."""
