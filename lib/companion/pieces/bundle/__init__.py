"""Bundles: what a bare machine needs for the pieces of a page, and what it gives back."""
