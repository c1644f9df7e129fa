from .catalogue import (
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
from .datasets import burgers_data, cdr_data, convection_diffusion_data, heat_data, source_data
from .equations import Equation
from .initial import random_fourier
from .maps import burgers_map, gaussian_field
from .noise import add_noise
from .solution import solve
from .spectral import SpectralRHS
from .upwind import burgers2d_upwind

__all__ = [
    "Equation",
    "SpectralRHS",
    "add_noise",
    "burgers1d",
    "burgers2d",
    "burgers2d_upwind",
    "burgers_data",
    "burgers_map",
    "cdr_data",
    "convection_diffusion2d",
    "convection_diffusion_data",
    "convection_diffusion_reaction2d",
    "diffusion_source2d",
    "gaussian_field",
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
