"""What a path through a gated net costs, in multiply-adds."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from contdepth import checks, devices
from contdepth.nets.gated.net import GatedNet

__all__ = ["PathCost", "path_cost"]


@dataclass(frozen=True)
class PathCost:
    """Multiply-adds for one picture: ``fixed`` whatever the gates say, ``gates`` of them for the gates themselves.

    ``blocks``: the branch behind each gate, (G,). Counted are convolutions, linear maps and the LSTM; norms,
    activations, means, maxima and sums are not.
    """

    fixed: int
    gates: int
    blocks: tuple[int, ...]

    @property
    def whole(self) -> int:
        """The net without gates: all blocks, nothing for deciding."""
        return self.fixed - self.gates + sum(self.blocks)

    def of(self, gates: Tensor) -> Tensor:
        """Multiply-adds of every path ``gates`` (n, G) of 0 and 1, float64 (n,).

        Raises:
            TypeError, ValueError: another shape.
        """
        checks.same_shape("gates", gates, (len(checks.tensor("gates", gates, ndim=2)), len(self.blocks)))
        if gates.is_complex():
            raise TypeError(f"gates: expected zeros and ones, found dtype {gates.dtype}")
        each = torch.tensor(self.blocks, dtype=torch.float64, device=gates.device)
        return self.fixed + gates.detach().double() @ each

    def saved(self, gates: Tensor) -> float:
        """1 - mean cost of the paths / cost of the net without gates; negative where deciding costs more."""
        return 1 - float(self.of(gates).mean()) / self.whole


def path_cost(model: GatedNet, height: int, width: int | None = None) -> PathCost:
    """Count the multiply-adds of ``model`` for pictures of ``height`` x ``width`` (by default square).

    One empty picture goes through all blocks in evaluation mode; the modes are put back.

    Raises:
        TypeError, ValueError: not a ``GatedNet``, sides below 1.
    """
    checks.instance("model", model, GatedNet, "gated_resnet(depth) makes one")
    h = checks.integer("height", height, at_least=1)
    w = h if width is None else checks.integer("width", width, at_least=1)
    checks.affordable("height", h, w, model.plan.stem, hint="take smaller pictures")
    found: dict[nn.Module, int] = {}

    def count(module: nn.Module, inputs: Any, output: Any) -> None:
        found[module] = found.get(module, 0) + multiply_adds(module, output)

    layers = [one for one in model.modules() if isinstance(one, (nn.Conv2d, nn.Linear, nn.LSTMCell))]
    hooks = [layer.register_forward_hook(count) for layer in layers]
    modes = [(one, one.training) for one in model.modules()]
    try:
        model.eval()
        with torch.no_grad():
            x = model.stem.weight.new_zeros(1, model.stem.in_channels, h, w)
            model.route(x, gates=torch.ones(1, len(model.branches) - 1, device=devices.of(model)))
    finally:
        for one, training in modes:
            one.training = training
        for hook in hooks:
            hook.remove()

    def inside(part: nn.Module) -> int:
        return sum(found[layer] for layer in part.modules() if layer in found)

    blocks = tuple(inside(branch) for branch in model.branches[1:])
    return PathCost(inside(model) - sum(blocks), inside(model.gates), blocks)


def multiply_adds(layer: nn.Module, output: Any) -> int:
    """Multiply-adds of one call of a convolution, a linear map or an LSTM's step, from the shape of its output."""
    if isinstance(layer, nn.Conv2d):
        return output.numel() * layer.in_channels // layer.groups * math.prod(layer.kernel_size)
    if isinstance(layer, nn.LSTMCell):
        return 4 * output[0].numel() * (layer.input_size + layer.hidden_size)
    assert isinstance(layer, nn.Linear)
    return output.numel() * layer.in_features
