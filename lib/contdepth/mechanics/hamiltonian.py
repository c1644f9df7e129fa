"""Learned Hamiltonians and their vector fields, and the plain field that knows no energy.

Letters: u = (q, p) ``(..., 2n)``, positions first; H(q, p), for separable ones T(p) + V(q).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from contdepth import checks
from contdepth.mechanics.dense import DenseNet, ScalarNet
from contdepth.schemes.base import Field
from contdepth.schemes.symplectic import halves

__all__ = ["HamiltonianNet", "VectorFieldNet", "hamiltonian_field", "hamiltonian_parts"]

Energy = Callable[[Tensor], Tensor]


def hamiltonian_field(energy: Energy) -> Field:
    """Return the field f(t, u) = (∂H/∂p, -∂H/∂q) of any ``energy`` H(u) of states u = (q, p) ``(..., 2n)``.

    By torch.func, one pass for a batch, whose members H must treat apart. It can be differentiated again.

    Raises:
        TypeError, ValueError: when called, for states of odd size or an H of another shape.
    """
    slope = _gradient("energy", energy)

    def field(t: Tensor, u: Tensor) -> Tensor:
        halves(checks.reals("u", u))
        along_q, along_p = slope(u).chunk(2, -1)
        return torch.cat((along_p, -along_q), -1)

    return field


def hamiltonian_parts(kinetic: Energy, potential: Energy) -> tuple[Field, Field]:
    """Return the pair (∂T/∂p as a function of p, -∂V/∂q as one of q) that partitioned schemes take.

    ``kinetic`` T(p) and ``potential`` V(q) map ``(..., n)`` to ``(...)``; otherwise as :func:`hamiltonian_field`.
    """
    along_p, along_q = _gradient("kinetic", kinetic), _gradient("potential", potential)
    return (lambda t, p: along_p(p)), (lambda t, q: -along_q(q))


class HamiltonianNet(nn.Module):
    """H(q, p) by dense networks: T(p) + V(q), or one network of both where it need not separate.

    Greydanus et al. 2019 learn one H, Chen et al. 2020 (symplectic RNN) the separable form, which leapfrog needs.
    ``field`` and ``parts`` are exact derivatives of what ``forward`` returns, in closed form.

    Args:
        degrees: n; states are ``(..., 2n)``.
        hidden: widths of the hidden layers of each network.
        separable: whether H = T(p) + V(q).
        activation: ``"tanh"`` or ``"softplus"``.
        generator: draws the weights; None: the global one of the CPU.
        device: where the parameters are.

    Raises:
        TypeError, ValueError: a wrong argument, or states that do not fit.
    """

    def __init__(
        self,
        degrees: int,
        hidden: Sequence[int] = (64, 64),
        *,
        separable: bool = True,
        activation: str = "tanh",
        generator: torch.Generator | None = None,
        device: str | torch.device = "cpu",
    ) -> None:
        super().__init__()
        self.degrees = checks.integer("degrees", degrees, at_least=1)
        self.separable = checks.instance("separable", separable, bool)
        sizes = (degrees, degrees) if separable else (2 * degrees,)
        self.nets = nn.ModuleList(
            ScalarNet(size, hidden, activation=activation, generator=generator, device=device) for size in sizes
        )

    def forward(self, u: Tensor) -> Tensor:
        """Return H(u) ``(...)`` for states u = (q, p) ``(..., 2n)``."""
        total: Tensor = sum(net(part) for net, part in zip(self.nets, self._split(u), strict=True))
        return total

    def energy(self, u: Tensor) -> Tensor:
        """Return H(u), as ``forward``: what the learned motion keeps."""
        found: Tensor = self(u)
        return found

    def field(self, t: Tensor, u: Tensor) -> Tensor:
        """Return (∂H/∂p, -∂H/∂q) ``(..., 2n)``; t is not looked at."""
        slopes = [net.gradient(part) for net, part in zip(self._learned(), self._split(u), strict=True)]
        along_q, along_p = slopes if self.separable else slopes[0].chunk(2, -1)
        return torch.cat((along_p, -along_q), -1)

    @property
    def parts(self) -> tuple[Field, Field]:
        """The pair (q' as a function of p, p' as a function of q) for partitioned schemes such as ``Leapfrog``."""
        if not self.separable:
            hint = "take ImplicitMidpoint, or separable=True"
            checks.fail("parts", "a separable H = T(p) + V(q)", "one network of q and p", hint)
        potential, kinetic = self._learned()
        return (lambda t, p: kinetic.gradient(p)), (lambda t, q: -potential.gradient(q))

    def _learned(self) -> list[ScalarNet]:
        """V and T, or H alone."""
        return list(self.nets)  # type: ignore[arg-type]

    def _split(self, u: Tensor) -> tuple[Tensor, ...]:
        checks.tensor("u", u)
        if u.ndim < 1 or u.shape[-1] != 2 * self.degrees:
            checks.fail("u", f"states (..., {2 * self.degrees})", f"shape {tuple(u.shape)}")
        return halves(u) if self.separable else (u,)


class VectorFieldNet(DenseNet):
    """u' by one dense network, which knows of no energy: the plain neural ODE beside a Hamiltonian one.

    Args:
        size: d; states are ``(..., d)``.
        hidden: widths of the hidden layers.
        activation: ``"tanh"`` or ``"softplus"``.
        generator: draws the weights; None: the global one of the CPU.
        device: where the parameters are.

    Raises:
        TypeError, ValueError: a wrong argument, or states that do not fit.
    """

    def __init__(
        self,
        size: int,
        hidden: Sequence[int] = (64, 64),
        *,
        activation: str = "tanh",
        generator: torch.Generator | None = None,
        device: str | torch.device = "cpu",
    ) -> None:
        size = checks.integer("size", size, at_least=1)
        super().__init__(size, size, hidden, activation=activation, generator=generator, device=device)

    def field(self, t: Tensor, u: Tensor) -> Tensor:
        """Return u' ``(..., d)``; t is not looked at."""
        found: Tensor = self(u)
        return found


def _gradient(name: str, energy: Energy) -> Callable[[Tensor], Tensor]:
    """The gradient of a scalar of each point, for a batch at once."""
    if not callable(energy):
        checks.fail(name, "a function of states", type(energy).__name__, error=TypeError)

    def total(x: Tensor) -> Tensor:
        value = checks.tensor(f"{name}(x)", energy(x))
        return checks.same_shape(f"{name}(x)", value, tuple(x.shape[:-1]), "one number a state").sum()

    return torch.func.grad(total)
