"""Arguments moved to a device as a user would move them, and what a result holds."""

from __future__ import annotations

import copy
import dataclasses
import types
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

PLAIN = (
    str,
    bytes,
    int,
    float,
    complex,
    bool,
    type(None),
    type,
    np.ndarray,
    np.generic,
    torch.dtype,
    torch.device,
)
LISTS = (list, tuple, set, frozenset)


class Mover:
    """Moves what arguments hold; what they share they still share. Generators stay unless ``generators``.

    An object with a ``device`` (a problem, an estimator) is told the new one.
    """

    def __init__(self, device: torch.device, generators: bool = False) -> None:
        self.device, self.generators = device, generators
        self.done: dict[int, Any] = {}
        self.count = 0

    def __call__(self, value: Any) -> Any:
        if isinstance(value, PLAIN) or isinstance(value, (types.ModuleType, types.BuiltinFunctionType)):
            return value
        if id(value) not in self.done:
            self.done[id(value)] = value  # for what holds itself
            self.done[id(value)] = self.moved(value)
        return self.done[id(value)]

    def moved(self, value: Any) -> Any:
        if isinstance(value, nn.Module):
            self.count += 1
            value.to(self.device)
            known = {*value._parameters, *value._buffers, *value._modules, *vars(nn.Module())}
            for module in value.modules():
                self.inside(module, known | {*module._parameters, *module._buffers, *module._modules})
            return value
        if isinstance(value, nn.Parameter):
            holder = nn.ParameterList([value])
            holder.to(self.device)
            self.count += 1
            return holder[0]
        if isinstance(value, Tensor):
            self.count += 1
            return value.detach().to(self.device).requires_grad_(value.requires_grad)
        if isinstance(value, torch.Generator):
            if not self.generators:
                return value
            return torch.Generator(device=self.device).manual_seed(value.initial_seed())
        if isinstance(value, torch.optim.Optimizer):
            return value
        if isinstance(value, Mapping):
            return type(value)((key, self(one)) for key, one in value.items()) if type(value) is dict else value
        if isinstance(value, LISTS):
            inside = [self(one) for one in value]
            return type(value)(*inside) if hasattr(value, "_fields") else type(value)(inside)
        if isinstance(value, types.FunctionType):
            for cell in value.__closure__ or ():
                cell.cell_contents = self(cell.cell_contents)
            return value
        if isinstance(value, types.MethodType):
            return types.MethodType(value.__func__, self(value.__self__))
        self.inside(value, set())
        return value

    def inside(self, value: Any, known: set[str]) -> None:
        for name, one in list(getattr(value, "__dict__", {}).items()):
            if name == "device" and isinstance(one, (str, torch.device)):
                value.__dict__[name], self.count = str(self.device), self.count + 1
            elif name not in known:
                value.__dict__[name] = self(one)
        for name in getattr(type(value), "__slots__", ()):
            if hasattr(value, name):
                object.__setattr__(value, name, self(getattr(value, name)))


def on_device(
    arguments: dict[str, Any], device: torch.device, generators: bool = False
) -> tuple[dict[str, Any], int]:
    """A copy of ``arguments`` on ``device``, and how many tensors and modules that moved."""
    mover = Mover(device, generators)
    return {key: mover(one) for key, one in copy.deepcopy(arguments).items()}, mover.count


def leaves(value: Any, path: str = "", seen: frozenset[int] = frozenset()) -> Iterator[tuple[str, Any]]:
    """The tensors, arrays and numbers in ``value``, each with where it stands."""
    if isinstance(value, (Tensor, np.ndarray, np.generic, bool, int, float, complex)):
        yield path, value
    if isinstance(value, (*PLAIN, Tensor, torch.Generator)) or id(value) in seen or len(seen) > 8:
        return
    seen = seen | {id(value)}
    if isinstance(value, nn.Module):
        for name, one in value.state_dict().items():
            yield f"{path}.{name}", one
    elif isinstance(value, Mapping):
        for key, one in value.items():
            yield from leaves(one, f"{path}[{key!r}]", seen)
    elif isinstance(value, (*LISTS, Iterator)):
        for i, one in enumerate(value):
            yield from leaves(one, f"{path}[{i}]", seen)
    elif dataclasses.is_dataclass(value):
        for one in dataclasses.fields(value):
            yield from leaves(getattr(value, one.name, None), f"{path}.{one.name}", seen)
    elif isinstance(value, types.FunctionType):
        for name, cell in zip(value.__code__.co_freevars, value.__closure__ or (), strict=True):
            yield from leaves(cell.cell_contents, f"{path}.{name}", seen)
    elif hasattr(value, "__dict__"):
        for name, one in vars(value).items():
            yield from leaves(one, f"{path}.{name}", seen)
