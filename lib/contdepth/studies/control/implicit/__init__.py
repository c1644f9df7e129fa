"""Nets of implicit, explicit and relaxed Euler steps on digits: training side by side, attacks, contests."""
