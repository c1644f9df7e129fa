from .base import DensityModel, Drawn, Pushed
from .continuous import ContinuousFlow
from .transport import Carried, Transport, draw_probes, exact_probes

__all__ = [
    "Carried",
    "ContinuousFlow",
    "DensityModel",
    "Drawn",
    "Pushed",
    "Transport",
    "draw_probes",
    "exact_probes",
]
