from .base import DensityModel, Drawn, Pushed
from .continuous import ContinuousFlow
from .residual.block import Inverse, ResidualBlock, lipschitz_net
from .residual.flow import ResidualFlow
from .residual.layers import LipschitzConv2d, LipschitzLinear, settle
from .residual.log_det import ExactLogDet, RouletteLogDet, SeriesLogDet
from .residual.terms import NumberOfTerms, series_error
from .transport import Carried, Transport, draw_probes, exact_probes

__all__ = [
    "Carried",
    "ContinuousFlow",
    "DensityModel",
    "Drawn",
    "ExactLogDet",
    "Inverse",
    "LipschitzConv2d",
    "LipschitzLinear",
    "NumberOfTerms",
    "Pushed",
    "ResidualBlock",
    "ResidualFlow",
    "RouletteLogDet",
    "SeriesLogDet",
    "Transport",
    "draw_probes",
    "exact_probes",
    "lipschitz_net",
    "series_error",
    "settle",
]
