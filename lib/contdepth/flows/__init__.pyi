from .base import DensityModel, Drawn, Pushed
from .continuous import ContinuousFlow
from .monge_ampere.flow import MongeAmpereFlow
from .monge_ampere.ising import CRITICAL_TEMPERATURE, DualIsing, ising_log_partition
from .monge_ampere.potential import Potential, Slopes, translations
from .residual.block import Inverse, ResidualBlock, lipschitz_net
from .residual.flow import ResidualFlow
from .residual.layers import LipschitzConv2d, LipschitzLinear, settle
from .residual.log_det import ExactLogDet, RouletteLogDet, SeriesLogDet
from .residual.terms import NumberOfTerms, series_error
from .trajectory.fit import TrajectoryFit, fit_trajectory
from .trajectory.flow import TrajectoryFlow, TrajectoryLoss
from .trajectory.wasserstein import wasserstein1, wasserstein2
from .transport import Carried, Transport, draw_probes, exact_probes

__all__ = [
    "CRITICAL_TEMPERATURE",
    "Carried",
    "ContinuousFlow",
    "DensityModel",
    "Drawn",
    "DualIsing",
    "ExactLogDet",
    "Inverse",
    "LipschitzConv2d",
    "LipschitzLinear",
    "MongeAmpereFlow",
    "NumberOfTerms",
    "Potential",
    "Pushed",
    "ResidualBlock",
    "ResidualFlow",
    "RouletteLogDet",
    "SeriesLogDet",
    "Slopes",
    "TrajectoryFit",
    "TrajectoryFlow",
    "TrajectoryLoss",
    "Transport",
    "draw_probes",
    "exact_probes",
    "fit_trajectory",
    "ising_log_partition",
    "lipschitz_net",
    "series_error",
    "settle",
    "translations",
    "wasserstein1",
    "wasserstein2",
]
