"""Ordinary differential equations from arrays: least squares with thresholds over a library of terms."""
