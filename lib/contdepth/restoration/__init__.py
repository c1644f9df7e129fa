"""Image restoration as a flow with a moving endpoint: degradations, units, schedules, stopping, baselines.

Import from the modules; this package imports none of them.
"""
