from .accelerations import AccelerationFit, fit_accelerations
from .chain import SpringChain
from .dense import DenseNet, ScalarNet
from .forecasts import Forecast, forecast
from .hamiltonian import HamiltonianNet, VectorFieldNet, hamiltonian_field, hamiltonian_parts
from .lagrangian import AccelerationNet, LagrangianNet, lagrangian_acceleration
from .pendulums import DoublePendulum, PlanePendulum, RelativisticOscillator
from .rollouts import RolloutFit, fit_rollouts
from .simulation import simulate
from .starts import fit_starts
from .three_body import ThreeBody

__all__ = [
    "AccelerationFit",
    "AccelerationNet",
    "DenseNet",
    "DoublePendulum",
    "Forecast",
    "HamiltonianNet",
    "LagrangianNet",
    "PlanePendulum",
    "RelativisticOscillator",
    "RolloutFit",
    "ScalarNet",
    "SpringChain",
    "ThreeBody",
    "VectorFieldNet",
    "fit_accelerations",
    "fit_rollouts",
    "fit_starts",
    "forecast",
    "hamiltonian_field",
    "hamiltonian_parts",
    "lagrangian_acceleration",
    "simulate",
]
