from .antisymmetric import AntisymmetricCell
from .equilibrium import EquilibriumCell
from .gru_bayes import Filtered, GRUODEBayes
from .gru_ode import GRUODE, GRUJump
from .sequence import Cell, Recurrence
from .series import Series, from_nan, padded

__all__ = [
    "GRUODE",
    "AntisymmetricCell",
    "Cell",
    "EquilibriumCell",
    "Filtered",
    "GRUJump",
    "GRUODEBayes",
    "Recurrence",
    "Series",
    "from_nan",
    "padded",
]
