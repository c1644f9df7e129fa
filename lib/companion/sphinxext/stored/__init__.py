"""Stored runs on pages: outputs, provenance, variations, executed notebooks."""
