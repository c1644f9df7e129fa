from .cnn import PlainCNN
from .known import KnownEquation
from .sindy import PDEFIND, WeakSINDy

__all__ = [
    "PDEFIND",
    "KnownEquation",
    "PlainCNN",
    "WeakSINDy",
]
