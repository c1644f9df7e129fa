"""Fourier neural operators: networks that map functions to functions and are the same map on every grid."""
