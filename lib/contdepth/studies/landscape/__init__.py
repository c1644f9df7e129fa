"""Experiments of the theme What training finds."""
