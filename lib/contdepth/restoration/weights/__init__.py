"""Weights of the stored models, and their checksums."""
