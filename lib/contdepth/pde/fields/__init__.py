"""Fields on grids: trajectories, axes and boundaries, errors of predictions."""

from contdepth.faces import former

__getattr__ = former(__name__)
