"""The symplectic RNN on a chain of masses that has an exact solution, at coarse steps, and on three bodies."""
