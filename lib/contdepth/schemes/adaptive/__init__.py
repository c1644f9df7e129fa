"""Schemes that choose their steps: embedded pairs, a scheme for stiff equations, events."""
