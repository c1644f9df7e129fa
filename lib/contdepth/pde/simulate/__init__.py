"""Reference solutions of the partial differential equations of the PDE-Net chapters, and data made from them."""

from contdepth.pde.simulate.catalogue import (
    burgers1d,
    burgers2d,
    convection_diffusion2d,
    convection_diffusion_reaction2d,
    diffusion_source2d,
    heat2d,
    kdv,
    kuramoto_sivashinsky,
    variable_a,
    variable_b,
)
from contdepth.pde.simulate.datasets import (
    burgers_data,
    cdr_data,
    convection_diffusion_data,
    heat_data,
    source_data,
)
from contdepth.pde.simulate.equations import Equation
from contdepth.pde.simulate.initial import random_fourier
from contdepth.pde.simulate.noise import add_noise
from contdepth.pde.simulate.solve import solve
from contdepth.pde.simulate.spectral import SpectralRHS
from contdepth.pde.simulate.upwind import burgers2d_upwind

__all__ = [
    "Equation",
    "SpectralRHS",
    "add_noise",
    "burgers1d",
    "burgers2d",
    "burgers2d_upwind",
    "burgers_data",
    "cdr_data",
    "convection_diffusion2d",
    "convection_diffusion_data",
    "convection_diffusion_reaction2d",
    "diffusion_source2d",
    "heat2d",
    "heat_data",
    "kdv",
    "kuramoto_sivashinsky",
    "random_fourier",
    "solve",
    "source_data",
    "variable_a",
    "variable_b",
]
