"""One more neuron in a fully connected net that computes the same: critical points stay critical points."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from contdepth import checks

__all__ = ["null_neuron", "split_neuron"]


def split_neuron(model: nn.Sequential, layer: int, neuron: int, share: float = 0.5) -> nn.Sequential:
    """A copy of ``model`` in which ``neuron`` of the linear ``layer`` stands twice and computes the same.

    (w, a) → (w, αa), (w, (1 - α)a): both copies have the row w of ``model[layer]`` and its bias; of the column a
    of the next linear layer the first has ``share`` α, any real number, and the new one, the last of the layer,
    the rest. The gradient of a loss by the incoming weights of the copies is α and 1 - α times that of the neuron,
    by the outgoing ones it is the same; so critical points go to critical points, whatever loss and data are.

    Source: the one-step embedding of Zhang et al. 2021 (arXiv 2105.14573); for one hidden layer Fukumizu and Amari
    2000. ``model`` is a chain in which nothing but elementwise functions without parameters stands between the two
    linear layers (that they are elementwise is not looked at); it stays as it is.

    Raises:
        TypeError, ValueError: no chain, no linear layer at that place or none after it, parameters between the
            two, a neuron that is not there.
    """
    first, second = _pair(model, layer)
    checks.integer("neuron", neuron, at_least=0, at_most=first.out_features - 1)
    share = checks.real("share", share)
    out = second.weight.detach()
    columns = torch.cat([out, (1 - share) * out[:, neuron : neuron + 1]], 1)
    columns[:, neuron] = share * out[:, neuron]
    bias = None if first.bias is None else first.bias.detach()[neuron]
    return _widened(model, layer, first.weight.detach()[neuron], bias, columns)


def null_neuron(model: nn.Sequential, layer: int) -> nn.Sequential:
    """A copy of ``model`` with one more neuron in the linear ``layer`` all of whose weights are zero.

    It computes the same. Where σ(0) = 0, as for tanh and ReLU, a critical point goes to a critical point: the null
    embedding of Zhang et al. 2022 (Journal of Machine Learning 1:60). Otherwise as ``split_neuron``.

    Raises:
        TypeError, ValueError: as ``split_neuron``.
    """
    first, second = _pair(model, layer)
    row = torch.zeros_like(first.weight.detach()[0]) if first.out_features else first.weight.new_zeros(0)
    bias = None if first.bias is None else first.bias.new_zeros(())
    out = second.weight.detach()
    return _widened(model, layer, row, bias, torch.cat([out, torch.zeros_like(out[:, :1])], 1))


def _pair(model: nn.Sequential, layer: int) -> tuple[nn.Linear, nn.Linear]:
    """The linear layer at ``layer`` and the one that follows it."""
    checks.instance("model", model, nn.Sequential, "a chain of linear layers and elementwise functions")
    checks.integer("layer", layer, at_least=0, at_most=len(model) - 1)
    first = model[layer]
    if not isinstance(first, nn.Linear):
        checks.fail("layer", "the place of an nn.Linear", f"{type(first).__name__} at {layer}")
    for module in list(model)[layer + 1 :]:
        if isinstance(module, nn.Linear):
            return first, module
        if next(module.parameters(), None) is not None:
            checks.fail(
                "model",
                "nothing with parameters between two linear layers",
                type(module).__name__,
                "widen by hand",
            )
    checks.fail("layer", "a linear layer with another one after it", f"the last one, {layer}")


def _widened(model: nn.Sequential, layer: int, row: Tensor, bias: Tensor | None, columns: Tensor) -> nn.Sequential:
    """A copy with ``row`` and ``bias`` after those of ``layer``, and ``columns`` in the next one."""
    wider = copy.deepcopy(model)
    first, second = _pair(wider, layer)
    first.weight = _like(first.weight, torch.cat([first.weight.detach(), row[None]]))
    if bias is not None:
        first.bias = _like(first.bias, torch.cat([first.bias.detach(), bias[None]]))
    second.weight = _like(second.weight, columns)
    first.out_features = second.in_features = len(first.weight)
    return wider


def _like(old: Tensor, values: Tensor) -> nn.Parameter:
    return nn.Parameter(values, requires_grad=old.requires_grad)
