"""Quantised descent judged: a wrong well, the size of its noise, digits with equal effort, and its drift."""
