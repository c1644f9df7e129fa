"""Experiments of the theme Depth as time."""
