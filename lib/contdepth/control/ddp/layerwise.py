"""DDPNOpt: a feedback for every layer from outer products, after Liu, Chen, Theodorou 2021."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import pad

from contdepth import checks
from contdepth.control.ddp.curvatures import CURVATURES, Identity

__all__ = ["ACTIVATIONS", "DDPNOpt", "cross_entropy_slopes"]

Activation = tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]
ACTIVATIONS: dict[str, Activation] = {
    "tanh": (torch.tanh, lambda after: 1 - after.square()),
    "sigmoid": (torch.sigmoid, lambda after: after * (1 - after)),
    "relu": (torch.relu, lambda after: (after > 0).to(after.dtype)),
}
"""σ, and σ' by the value of σ."""
AVERAGES = {"identity": 0.0, "diagonal": 0.99, "kronecker": 0.95}
DAMPINGS = {"identity": 0.0, "diagonal": 1e-8, "kronecker": 1e-2}


class Ends(NamedTuple):
    """Losses (…, batch), V_x (…, batch, classes) of each, and z with V_xx ≈ z zᵀ of each."""

    losses: Tensor
    v: Tensor
    z: Tensor


class _Layer(NamedTuple):
    """What the way back leaves for the way forward: x with its 1, z_h, q_x and Q_uu⁻¹Q_u."""

    x: Tensor
    z: Tensor
    q: Tensor
    step: Tensor


def cross_entropy_slopes(final: Tensor, y: Tensor) -> Ends:
    """Cross-entropy of logits ``final`` (…, batch, classes) at labels ``y`` (…, batch), and V_x = softmax - e_y.

    z = V_x: the outer product of the slopes stands for φ_xx.

    Raises:
        TypeError, ValueError: labels that are no whole numbers of the classes, or of another shape.
    """
    checks.same_shape("y", y, final.shape[:-1], "give a label for each sample")
    checks.indices("y", y.flatten(), final.shape[-1])
    logs = final.log_softmax(-1)
    hot = torch.zeros_like(final).scatter_(-1, y[..., None].long(), 1)
    slopes = logs.exp() - hot
    return Ends(-(logs * hot).sum(-1), slopes, slopes)


class DDPNOpt:
    """Feedback on the weights of a fully connected net x_{t+1} = σ(U_t [x_t; 1]); no σ after the last layer.

    Back from the last layer go, for each sample, v = V_x and z with V_xx ≈ z zᵀ (Gauss-Newton). With
    v_h = σ'v, z_h = σ'z and U without its last column W: Q_u = mean v_h [x; 1]ᵀ, q_u = z_h [x; 1]ᵀ, q_x = Wᵀz_h,
    so that Q_ux = q_u q_xᵀ and

        v ← Wᵀv_h - q_x (q_uᵀ Q_uu⁻¹ Q_u),      z ← √(1 - q_uᵀ Q_uu⁻¹ q_u / batch) q_x.

    On the way forward δU_t = -Q_uu⁻¹ [Q_u + mean q_u (q_xᵀ δx_t)], δx_t what the layers before have changed. With
    ``feedback=False``, which is Q_ux = 0, it is the method whose curvature Q_uu is.

    Our reading, since the paper's text was not at hand: V_xx of the stacked batch keeps the blocks of samples
    alone, ``rate`` is a part of Q_uu⁻¹, 1 - q_uᵀQ_uu⁻¹q_u/batch is not let below 0, and v is Bellman's V_x, not
    the gradient. Without feedback ``"identity"`` is gradient descent, ``"diagonal"`` RMSprop, ``"kronecker"``
    K-FAC with the labels' own slopes (an empirical Fisher matrix).

    Args:
        matrices: U_t (…, out, in + 1), float32 or float64, which are moved in place. Leading dimensions are
            members: nets of their own, side by side, with ``x`` and ``y`` of the same leading dimensions.
        curvature: ``"identity"``, ``"diagonal"`` or ``"kronecker"``.
        rate: η, a number, or a tensor of one for each member.
        feedback: False leaves the whole of Q_ux out.
        activation: ``"tanh"``, ``"sigmoid"`` or ``"relu"``.
        average: of the running means; None takes 0.99 for the diagonal, 0.95 for the product.
        damping: ε of the diagonal (None: 1e-8) or λ of the product (None: 0.01).
        terminal: (x_T, y) -> losses, V_x and z, as ``cross_entropy_slopes``.

    Raises:
        TypeError, ValueError: no matrices, shapes that do not follow each other, an unknown name, a bad number.
    """

    def __init__(
        self,
        matrices: Sequence[Tensor],
        curvature: str = "identity",
        *,
        rate: float | Tensor = 0.1,
        feedback: bool = True,
        activation: str = "tanh",
        average: float | None = None,
        damping: float | None = None,
        terminal: Callable[[Tensor, Tensor], tuple[Tensor, Tensor, Tensor]] = cross_entropy_slopes,
    ) -> None:
        self.matrices = list(checks.several("matrices", matrices, "give one for each layer"))
        if not self.matrices:
            checks.fail("matrices", "at least one matrix", "none")
        for one in self.matrices:
            if (
                checks.reals("matrices", one, like=self.matrices[0] if one is not self.matrices[0] else None).ndim
                < 2
            ):
                checks.fail("matrices", "shapes (…, out, in + 1)", f"shape {tuple(one.shape)}")
        for one, after in zip(self.matrices, self.matrices[1:], strict=False):
            if after.shape[-1] != one.shape[-2] + 1 or after.shape[:-2] != one.shape[:-2]:
                checks.fail("matrices", f"(…, out, {one.shape[-2] + 1}) after it", f"shape {tuple(after.shape)}")
        self.feedback = checks.instance("feedback", feedback, bool)
        checks.one_of("curvature", curvature, tuple(CURVATURES))
        self.act, self.slope = ACTIVATIONS[checks.one_of("activation", activation, tuple(ACTIVATIONS))]
        if isinstance(rate, Tensor):
            checks.same_shape(
                "rate", checks.reals("rate", rate, like=self.matrices[0]), self.matrices[0].shape[:-2]
            )
            self.rate: float | Tensor = rate[..., None, None]
        else:
            self.rate = checks.real("rate", rate, above=0)
        mean = AVERAGES[curvature] if average is None else checks.real("average", average, at_least=0, below=1)
        small = DAMPINGS[curvature] if damping is None else checks.real("damping", damping, above=0)
        self.curvatures: list[Identity] = [CURVATURES[curvature](mean, small) for _ in self.matrices]
        self.terminal = terminal

    def states(self, x: Tensor) -> list[Tensor]:
        """x_0 = ``x`` (…, batch, in) to x_T (…, batch, classes)."""
        checks.reals("x", x, like=self.matrices[0])
        if x.ndim < 2 or x.shape[-1] != self.matrices[0].shape[-1] - 1:
            checks.fail("x", f"shape (…, batch, {self.matrices[0].shape[-1] - 1})", f"shape {tuple(x.shape)}")
        states = [x]
        for t in range(len(self.matrices)):
            states.append(self._forward(t, states[-1]))
        return states

    @torch.no_grad()
    def step(self, x: Tensor, y: Tensor) -> Tensor:
        """Move the matrices once, by the batch ``x`` (…, batch, in), ``y``; losses before it, (…, batch)."""
        states = self.states(x)
        losses, v, z = self.terminal(states[-1], y)
        layers: list[_Layer] = []
        for t in reversed(range(len(self.matrices))):
            v, z, layer = self._back(t, states[t], states[t + 1], v, z)
            layers.insert(0, layer)
        new = x
        for t, (layer, curvature) in enumerate(zip(layers, self.curvatures, strict=True)):
            moved = layer.step
            if self.feedback and t:
                weight = (layer.q * (new - states[t])).sum(-1, keepdim=True)
                moved = moved + self.rate * curvature.solve(_outer(weight * layer.z, layer.x))
            self.matrices[t].sub_(moved)
            if self.feedback and t + 1 < len(layers):
                new = self._forward(t, new)
        return losses

    def _forward(self, t: int, x: Tensor) -> Tensor:
        after = _with_one(x) @ self.matrices[t].mT
        return after if t + 1 == len(self.matrices) else self.act(after)

    def _back(self, t: int, x: Tensor, after: Tensor, v: Tensor, z: Tensor) -> tuple[Tensor, Tensor, _Layer]:
        """v and z before layer ``t`` from those behind it, and what is kept of it."""
        if t + 1 < len(self.matrices):
            v, z = self.slope(after) * v, (self.slope(after) * z if self.feedback else z)
        x, curvature, matrix = _with_one(x), self.curvatures[t], self.matrices[t][..., :-1]
        slope = _outer(v, x)
        curvature.see(slope, x, v)
        step = self.rate * curvature.solve(slope)
        if not self.feedback:
            return v @ matrix, z, _Layer(x, z, z, step)
        q = z @ matrix
        along = ((z @ step) * x).sum(-1, keepdim=True)
        rate = self.rate[..., 0] if isinstance(self.rate, Tensor) else self.rate
        kept = (1 - rate * curvature.squares(z, x) / x.shape[-2]).clamp(min=0).sqrt()[..., None]
        return v @ matrix - along * q, kept * q, _Layer(x, z, q, step)


def _with_one(x: Tensor) -> Tensor:
    return pad(x, (0, 1), value=1.0)


def _outer(left: Tensor, right: Tensor) -> Tensor:
    """Mean over the batch of left rightᵀ, (…, out, in)."""
    return left.mT @ right / left.shape[-2]
