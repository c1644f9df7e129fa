from .antisymmetric import AntisymmetricCell
from .equilibrium import EquilibriumCell
from .gru_bayes import Filtered, GRUODEBayes
from .gru_ode import GRUODE, GRUJump
from .latent import Evidence, LatentModel
from .latent_ode import LatentODE
from .ode_rnn import ODERNN
from .rnn_vae import RNNVAE
from .sequence import Cell, Recurrence
from .series import Series, from_nan, padded

__all__ = [
    "GRUODE",
    "ODERNN",
    "RNNVAE",
    "AntisymmetricCell",
    "Cell",
    "EquilibriumCell",
    "Evidence",
    "Filtered",
    "GRUJump",
    "GRUODEBayes",
    "LatentModel",
    "LatentODE",
    "Recurrence",
    "Series",
    "from_nan",
    "padded",
]
