from . import (
    control,
    data,
    flows,
    meanfield,
    nets,
    parallel,
    pde,
    problems,
    restoration,
    robust,
    schemes,
    seeds,
    timing,
    training,
)

__all__ = [
    "control",
    "data",
    "flows",
    "meanfield",
    "nets",
    "parallel",
    "pde",
    "problems",
    "restoration",
    "robust",
    "schemes",
    "seeds",
    "timing",
    "training",
]
__version__: str
