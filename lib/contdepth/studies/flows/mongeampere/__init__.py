"""Experiments of the page on Monge-Ampère flows."""
