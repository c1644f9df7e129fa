from .augment import crop_flip
from .checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from .evaluation import evaluate
from .frequencies import filtered_errors, mode_errors
from .levels import Levels, fit_levels
from .loop import DivergenceError, Fit, fit
from .recipes import RECIPES, Recipe, recipe
from .together import fit_together

__all__ = [
    "RECIPES",
    "CheckpointError",
    "DivergenceError",
    "Fit",
    "Levels",
    "Recipe",
    "crop_flip",
    "evaluate",
    "filtered_errors",
    "fit",
    "fit_levels",
    "fit_together",
    "load_checkpoint",
    "mode_errors",
    "recipe",
    "save_checkpoint",
]
