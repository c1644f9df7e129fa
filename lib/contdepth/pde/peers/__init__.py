"""What a user would try beside PDE-Net: sparse regression, a plain network, the known equation itself."""

from __future__ import annotations

from contdepth.pde.peers.cnn import PlainCNN
from contdepth.pde.peers.known import KnownEquation
from contdepth.pde.peers.sindy import PDEFIND, WeakSINDy

__all__ = ["KnownEquation", "PDEFIND", "PlainCNN", "WeakSINDy"]
