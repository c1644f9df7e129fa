"""Weights of the stored models and policies, their checksums, and how such files are read and written."""
