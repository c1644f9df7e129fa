"""A small net, a batch of small images for it, and a look at its hooks, for the tests of robust training."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from contdepth.seeds import generator
from contdepth.studies.yopo.contest import little_cnn


def batch(
    count: int = 4, size: int = 8, dtype: torch.dtype = torch.float32, seed: int = 3
) -> tuple[Tensor, Tensor]:
    """Images with pixels at both bounds of the box and in between, and labels."""
    source = generator(seed, "test")
    x = (1.2 * torch.rand(count, 1, size, size, generator=source, dtype=dtype) - 0.1).clamp(0, 1)
    return x, torch.randint(10, (count,), generator=source)


def plain(dtype: torch.dtype = torch.float32) -> nn.Sequential:
    """The contest's little net, in eval mode."""
    return little_cnn(1, 8, width=4, hidden=12, seed=1).to(dtype).eval()


def hooked(*models: nn.Module) -> bool:
    """Whether any module of ``models`` has a forward hook."""
    handles = [module.register_forward_hook(lambda *_: None) for model in models for module in model.modules()]
    hooks = [handle.hooks_dict_ref() for handle in handles]
    for handle in handles:
        handle.remove()
    return any(hooks)
