"""Where the first layer ends: evaluate it alone, end the backward pass there, ask whether it is affine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import torch
from torch import Tensor, nn

from contdepth import checks
from contdepth.robust.losses import answer

__all__ = ["Cut"]

STATEFUL = (nn.modules.batchnorm._NormBase, nn.modules.dropout._DropoutNd)


class Reached(Exception):
    """Ends a forward pass at the output of the first layer; carries that output."""


class Cut:
    """The first layer f_0 of ``model``: everything from the input to the output of the module called ``name``.

    ``"conv1"`` makes a bare convolution the first layer, ``"relu1"`` (the ReLU behind it) a convolution with ReLU.
    What the model does before (normalising pixels, say) belongs to f_0 as well. The module has to run once in a
    forward pass and return one tensor, and the rest of the model must not see the input past it. Names are
    the same where ``torch.compile`` or ``DataParallel`` wraps the model or a part of it.

    Raises:
        TypeError, ValueError: ``name`` is not a string, or names no module of the model.
    """

    def __init__(self, model: nn.Module, name: str) -> None:
        checks.instance("model", model, nn.Module)
        if not isinstance(name, str):
            checks.fail(
                "first_layer", "the name of a module", f"{name!r} ({type(name).__name__})", error=TypeError
            )
        modules = dict(model.named_modules())
        if name not in modules:
            modules = unwrapped(model)
        if name not in modules or not name:
            first = ", ".join(repr(one) for one in list(modules)[1:7])
            checks.fail("first_layer", f"a module of the model, such as {first}", repr(name))
        self.model, self.name, self.module = model, name, modules[name]

    def __call__(self, x: Tensor) -> Tensor:
        """f_0(x) alone: the forward pass ends at the cut. ``x``: (batch, …); the output has the layer's shape."""

        def stop(module: nn.Module, inputs: tuple[object, ...], output: object) -> NoReturn:
            raise Reached(output)

        handle = self.module.register_forward_hook(stop)
        try:
            answer(self.model, x)
        except Reached as reached:
            return reached.args[0]
        finally:
            handle.remove()
        return self.missed()

    @contextmanager
    def detached(self) -> Iterator[dict[str, Tensor]]:
        """Inside the block a forward pass is cut in two: the backward pass ends at the first layer's output.

        Yields a dictionary that the forward pass fills with ``output``, f_0(x) with its graph, and ``state``, the
        leaf x_1 that the rest of the model starts from; ``state.grad`` is the slack p after the backward pass.
        """
        found: dict[str, Tensor] = {}

        def divide(module: nn.Module, inputs: tuple[object, ...], output: object) -> Tensor:
            if found:
                checks.fail("first_layer", "a module that runs once in a forward pass", f"{self.name!r} ran twice")
            if not isinstance(output, Tensor):
                checks.fail("first_layer", "a module that returns one tensor", type(output).__name__)
            found["output"], found["state"] = output, output.detach().requires_grad_()
            return found["state"].clone()  # the next layer may work in place

        handle = self.module.register_forward_hook(divide)
        try:
            yield found
        finally:
            handle.remove()
        if not found:
            self.missed()

    def missed(self) -> NoReturn:
        checks.fail("first_layer", "a module that the forward pass runs", f"{self.name!r}, which it never reached")

    def leaves(self, x: Tensor) -> list[tuple[nn.Module, bool]]:
        """The modules without children that run up to the cut, each with whether it took the last one's output.

        The first entry tells whether that module took ``x`` itself. Functions without a module do not show.
        """
        ran: list[tuple[nn.Module, bool]] = []
        last: list[object] = [None, None]
        direct = False

        def mark(value: object) -> list[object]:
            return [value, getattr(value, "_version", None)]  # which an operation in place counts up

        def begin(module: nn.Module, inputs: tuple[object, ...]) -> None:
            last[:] = mark(inputs[0])

        def enter(module: nn.Module, inputs: tuple[object, ...]) -> None:
            nonlocal direct
            direct = len(inputs) == 1 and same(mark(inputs[0]))

        def leave(module: nn.Module, inputs: tuple[object, ...], output: object) -> None:
            ran.append((module, direct))
            last[:] = mark(output)

        def same(now: list[object]) -> bool:
            return now[0] is last[0] and now[1] == last[1]

        handles = [self.model.register_forward_pre_hook(begin, prepend=True)]
        for module in self.model.modules():
            if not list(module.children()):
                handles += [module.register_forward_pre_hook(enter), module.register_forward_hook(leave)]
        try:
            with torch.no_grad():
                output = self(x)
        finally:
            for handle in handles:
                handle.remove()
        return ran if same(mark(output)) else [*ran, (self.module, False)]

    def check(self, x: Tensor) -> None:
        """Raise if the first layer holds batch statistics or dropout in training mode.

        Each inner step would draw or count anew, and the Hamiltonian would change from step to step.
        """
        for module, _ in self.leaves(x):
            if isinstance(module, STATEFUL) and module.training:
                checks.fail(
                    "first_layer",
                    "a first layer without batch statistics or dropout in training mode",
                    f"{type(module).__name__} before the output of {self.name!r}",
                    "name an earlier module, or put that one into eval mode",
                )

    @torch.no_grad()
    def affine(self, x: Tensor) -> bool:
        """Whether f_0 is affine: the middle of two inputs goes to the middle of their outputs (to rounding).

        Probed on inputs of the shape of ``x`` with pixels from N(0, 10²), so that every ReLU meets both signs.
        A kink shows as a difference of order one; the tolerance leaves room for convolutions in TF32.
        """
        source = torch.Generator().manual_seed(0)
        a, b = (10 * torch.randn(x[:4].shape, generator=source).to(x) for _ in range(2))
        middle, ends = self((a + b) / 2), (self(a) + self(b)) / 2
        tolerance = 1e-9 if x.dtype == torch.float64 else 5e-3
        return bool((middle - ends).abs().max() <= tolerance * ends.abs().max())


def unwrapped(module: nn.Module, name: str = "") -> dict[str, nn.Module]:
    """The modules below ``module`` by name, as if ``torch.compile`` and ``DataParallel`` had wrapped none."""
    parallel = isinstance(module, (nn.DataParallel, nn.parallel.DistributedDataParallel))
    inner = module.module if parallel else getattr(module, "_orig_mod", None)
    children = [("", inner)] if isinstance(inner, nn.Module) else module.named_children()
    found = {name: module}
    for child, part in children:
        for key, one in unwrapped(part, ".".join(filter(None, (name, child)))).items():
            found.setdefault(key, one)
    return found
