"""Training: one loop with recipes, seeds, checkpoints that resume to the same bits, and matched comparisons."""

from contdepth.training.augment import crop_flip
from contdepth.training.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from contdepth.training.compare import Comparison, compare
from contdepth.training.evaluation import evaluate
from contdepth.training.loop import DivergenceError, Fit, fit
from contdepth.training.recipe import RECIPES, Recipe, recipe
from contdepth.training.standard import shrink, standardise

__all__ = [
    "RECIPES",
    "CheckpointError",
    "Comparison",
    "DivergenceError",
    "Fit",
    "Recipe",
    "compare",
    "crop_flip",
    "evaluate",
    "fit",
    "load_checkpoint",
    "recipe",
    "save_checkpoint",
    "shrink",
    "standardise",
]
