"""A network as a discrete controlled system: states, co-states and Hamiltonians, one stage at a time."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

from contdepth import checks

__all__ = ["ControlledSystem", "Trajectory", "control_view"]

Running = float | Callable[[nn.Module, Tensor], Tensor]


@dataclass(frozen=True)
class Trajectory:
    """States x_0 … x_T and co-states p_0 … p_T of one batch; x_t and p_t share their shape (batch, …)."""

    states: tuple[Tensor, ...]
    costates: tuple[Tensor, ...]


class ControlledSystem:
    """Stages x_{t+1} = f_t(x_t; θ_t), t = 0 … T-1, with cost J = (1/B) Σ_i [ℓ(x_T, y) + Σ_t R_t(x_t; θ_t)].

    The minimising player chooses θ, so Pontryagin's principle reads (Li, Chen, Tai, E 2017, arXiv 1710.09513, and
    Li, Hao 2018, in discrete time): H_t = ⟨p_{t+1}, f_t(x_t; θ_t)⟩ - R_t/B, p_t = ∇_x H_t, p_T = -∇ℓ/B, and θ_t is
    a stationary point of Σ_i H_t (a MAXIMISER under their convexity condition). An adversary η enters through
    f_0(x + η) alone and MINIMISES H_0 (Zhang et al. 2019, arXiv 1905.00877). All results are detached.

    Args:
        stages: modules with the batch as first dimension; none may change its input in place.
        loss: (x_T, y) -> losses (batch,).
        running: R_t: a number λ for (λ/2)‖θ_t‖², or a callable (stage, x_t) -> scalar or (batch,); one for all
            stages or one each.

    Batch norms and dropouts must be in eval mode: every method runs the stages again, which in train mode would
    move the running statistics or draw other masks, so that is refused.

    Raises:
        TypeError, ValueError: no stages, a stage that is no module, a bad ``running``; on use: train mode, a stage
            that overwrites its input, a loss that is not (batch,), co-states of a wrong shape.
    """

    def __init__(
        self,
        stages: Sequence[nn.Module],
        loss: Callable[[Tensor, Tensor], Tensor],
        running: Running | Sequence[Running] = 0.0,
    ) -> None:
        self.stages, self.loss = tuple(stages), loss
        if not self.stages:
            checks.fail("stages", "at least one module", "none")
        for stage in self.stages:
            if not isinstance(stage, nn.Module):
                checks.fail("stages", "modules", type(stage).__name__, error=TypeError)
        each = tuple(running) if isinstance(running, Sequence) else (running,) * len(self.stages)
        if len(each) != len(self.stages):
            checks.fail("running", f"one for each of {len(self.stages)} stages", f"{len(each)}")
        self.running = tuple(r if callable(r) else checks.real("running", r, at_least=0) for r in each)

    def __len__(self) -> int:
        return len(self.stages)

    def step(self, t: int, x_t: Tensor) -> Tensor:
        """f_t(x_t)."""
        checks.integer("t", t, at_least=0, at_most=len(self) - 1)
        checks.tensor("x_t", x_t)
        for module in self.stages[t].modules():
            if module.training and isinstance(module, (_BatchNorm, _DropoutNd)):
                checks.fail(
                    "stages",
                    "batch norms and dropouts in eval mode",
                    f"{type(module).__name__} of stage {t} in train mode",
                    "call model.eval() first",
                )
        version = x_t._version
        after = self.stages[t](x_t)
        if x_t._version != version:
            checks.fail(
                "stages",
                "stages that keep their input",
                f"stage {t} changes it in place",
                "build its layers with inplace=False",
            )
        return after

    def running_cost(self, t: int, x_t: Tensor) -> Tensor:
        """R_t of every sample, (batch,)."""
        checks.integer("t", t, at_least=0, at_most=len(self) - 1)
        checks.tensor("x_t", x_t)
        rule, zero = self.running[t], x_t.new_zeros(len(x_t))
        if callable(rule):
            value = checks.tensor(
                "running", rule(self.stages[t], x_t), hint="return one number, or one for each sample"
            )
            if value.ndim:
                checks.same_shape("running", value, (len(x_t),), "return one number, or one for each sample")
            return zero + value
        if rule == 0:
            return zero
        return zero + rule / 2 * sum(p.square().sum() for p in self.stages[t].parameters())

    def losses(self, final: Tensor, y: Tensor) -> Tensor:
        """ℓ(x_T, y) of every sample, (batch,)."""
        hint = 'return one number for each sample (reduction="none")'
        losses = checks.same_shape("loss", self.loss(final, y), (len(final),), hint)
        if losses.is_complex():
            raise TypeError(f"loss: expected real numbers, found {losses.dtype}")
        return losses

    @torch.no_grad()
    def states(self, x: Tensor) -> tuple[Tensor, ...]:
        """x_0 = ``x`` (batch, …) to x_T."""
        states = [checks.floating("x", x).detach()]
        for t in range(len(self)):
            states.append(self.step(t, states[-1]))
        return tuple(states)

    @torch.no_grad()
    def cost(self, x: Tensor, y: Tensor) -> Tensor:
        """J, a tensor without dimensions."""
        states = self.states(x)
        return (self.losses(states[-1], y) + sum(self.running_cost(t, states[t]) for t in range(len(self)))).mean()

    def pull_back(self, t: int, x_t: Tensor, p_next: Tensor) -> Tensor:
        """p_t = ∇_x H_t = (∂f_t/∂x)ᵀ p_{t+1} - ∇_x R_t/B, through stage t alone."""
        checks.floating("x_t", x_t)
        with torch.enable_grad():
            x_t = x_t.detach().requires_grad_()
            return torch.autograd.grad(self.hamiltonian_graph(t, x_t, p_next).sum(), x_t)[0]

    def costates(self, states: Sequence[Tensor], y: Tensor) -> tuple[Tensor, ...]:
        """p_0 … p_T from ``states`` x_0 … x_T by the backward recursion; p_t has the shape of x_t."""
        if len(states) != len(self) + 1:
            checks.fail("states", f"{len(self) + 1} tensors x_0 … x_T", len(states))
        for state in states:
            checks.floating("states", state)
        with torch.enable_grad():
            final = states[-1].detach().requires_grad_()
            p = -torch.autograd.grad(self.losses(final, y).sum(), final)[0] / len(final)
        backwards = [p]
        for t in reversed(range(len(self))):
            backwards.append(self.pull_back(t, states[t], backwards[-1]))
        return tuple(reversed(backwards))

    def trajectory(self, x: Tensor, y: Tensor) -> Trajectory:
        """States and co-states of the batch ``x``, ``y``."""
        states = self.states(x)
        return Trajectory(states, self.costates(states, y))

    def hamiltonian_graph(self, t: int, x_t: Tensor, p_next: Tensor) -> Tensor:
        """``hamiltonian`` with its autograd graph in x_t and θ_t."""
        after = self.step(t, x_t)
        checks.same_shape("p_next", p_next, after.shape, "give the co-state after the stage, p_{t+1}")
        if p_next.is_complex() != after.is_complex():
            raise TypeError(f"p_next: expected dtype {after.dtype}, that of the state, found {p_next.dtype}")
        return (p_next.detach() * after).flatten(1).sum(1) - self.running_cost(t, x_t) / len(x_t)

    @torch.no_grad()
    def hamiltonian(self, t: int, x_t: Tensor, p_next: Tensor) -> Tensor:
        """H_t = ⟨p_{t+1}, f_t(x_t)⟩ - R_t/B of every sample, (batch,)."""
        return self.hamiltonian_graph(t, x_t, p_next)

    def hamiltonians(self, along: Trajectory) -> Tensor:
        """H_0 … H_{T-1} along a trajectory, (T, batch)."""
        checks.instance("along", along, Trajectory)
        return torch.stack([self.hamiltonian(t, along.states[t], along.costates[t + 1]) for t in range(len(self))])

    def gradient(self, t: int, x_t: Tensor, p_next: Tensor) -> dict[str, Tensor]:
        """∇_{θ_t} Σ_i H_t by parameter name (trainable ones): -∂J/∂θ_t, if no other stage shares the parameter."""
        checks.integer("t", t, at_least=0, at_most=len(self) - 1)
        checks.floating("x_t", x_t)
        named = {name: p for name, p in self.stages[t].named_parameters() if p.requires_grad}
        if not named:
            return {}
        with torch.enable_grad():
            total = self.hamiltonian_graph(t, x_t.detach(), p_next).sum()
            parts = torch.autograd.grad(total, list(named.values()), allow_unused=True, materialize_grads=True)
        return dict(zip(named, parts, strict=True))

    def adversary_gradient(self, x: Tensor, eta: Tensor, p_1: Tensor) -> Tensor:
        """∇_η Σ_i H_0(x + η, p_1), shaped like ``x``; the adversary goes against it, since it minimises H_0.

        With p_1 taken at the same x + η this is p_0, which is minus the input gradient of J.
        """
        checks.same_shape("eta", eta, checks.floating("x", x).shape)
        return self.pull_back(0, x + eta, p_1)


def cross_entropies(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of every sample, (batch,)."""
    return cross_entropy(logits, labels, reduction="none")


def control_view(
    model: nn.Sequential,
    first_layer: str | None = None,
    *,
    loss: Callable[[Tensor, Tensor], Tensor] = cross_entropies,
    running: Running | Sequence[Running] = 0.0,
) -> ControlledSystem:
    """``model`` as a controlled system that shares its parameters: one stage for each child.

    All children up to and including the one called ``first_layer`` together make f_0, such as "relu1" for a first
    layer of convolution and ReLU.

    Raises:
        TypeError, ValueError: no ``nn.Sequential``, or no child of that name (the names are listed).
    """
    if not isinstance(model, nn.Sequential):
        checks.fail(
            "model",
            "an nn.Sequential",
            type(model).__name__,
            "build a ControlledSystem from its stages",
            error=TypeError,
        )
    children = dict(model.named_children())
    names = list(children)
    head = 1 if first_layer is None else 1 + names.index(checks.one_of("first_layer", first_layer, names))
    parts = list(children.values())
    first = parts[:1] if head == 1 else [nn.Sequential(OrderedDict(list(children.items())[:head]))]
    return ControlledSystem([*first, *parts[head:]], loss, running)
