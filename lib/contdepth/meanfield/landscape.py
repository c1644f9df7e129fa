"""The landscape over distributions: directions of descent, and growth out of stationary points."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from contdepth import checks
from contdepth.meanfield.network import Along, MeanFieldNet, check_data
from contdepth.meanfield.particles import Particles

__all__ = [
    "Descent",
    "Escape",
    "descend",
    "descent_direction",
    "escape",
]

SHARES = tuple(2.0**-k for k in range(1, 21))
REFINED = 32


@dataclass(frozen=True)
class Descent:
    """ν = ``particles`` (one block of mass 1), ``value`` = δE/δρ there, ``slope`` = ⟨δE/δρ, ν - ρ⟩."""

    particles: Particles
    value: float
    slope: float


def masses_count(net: MeanFieldNet) -> None:
    """Refuse nets whose block weights are not the masses: there a mixture of distributions means nothing."""
    checks.instance("net", net, MeanFieldNet)
    if net.weighting != "equal":
        checks.fail("net", "weighting 'equal', where c_l is the mass", repr(net.weighting))


def places(particles: Particles) -> tuple[Tensor, Tensor]:
    """A time for every place that a new block can take, and the number of blocks before it: (q,), (q,)."""
    t = particles.t.detach()
    ends = torch.cat([t, t.new_tensor([0.0, 1.0])]).unique()
    times = torch.cat([(ends[:-1] + ends[1:]) / 2, ends[-1:]])
    before = torch.searchsorted(t.contiguous(), times, right=True)
    keep = before.diff(prepend=before.new_tensor([-1])) > 0
    return times[keep], before[keep]


def moments(net: MeanFieldNet, along: Along, units: Tensor, before: Tensor) -> Tensor:
    """mean over x of σ(⟨w, X⟩ + b) p at all places: units (n, d + 1) = (w, b), before (q,) -> (n, q, d)."""
    x, p = along.states[before], along.costates[before]
    hidden = net.block.sigma(torch.einsum("nd,qbd->nqb", units[:, :-1], x) + units[:, -1, None, None])
    return torch.einsum("nqb,qbd->nqd", hidden, p) / x.shape[1]


def improve(
    net: MeanFieldNet, along: Along, units: Tensor, before: Tensor, steps: int, inside: Callable[[Tensor], Tensor]
) -> Tensor:
    """``steps`` of projected, normalised ascent on ‖moments‖ of every unit at its best place, (n, d + 1)."""
    best = before[moments(net, along, units, before).norm(dim=-1).argmax(1)]
    x, p = along.states[best], along.costates[best]
    for step in range(steps):
        units = units.detach().requires_grad_()
        hidden = net.block.sigma((x @ units[:, :-1, None])[..., 0] + units[:, -1:])
        height = (hidden[..., None] * p).mean(1).norm(dim=-1)
        gradient = torch.autograd.grad(height.sum(), units)[0]
        size = gradient.norm(dim=1, keepdim=True).clamp_min(torch.finfo(units.dtype).tiny)
        units = inside(units.detach() + 0.2 * (1 - step / steps) * gradient / size)
    return units.detach()


def descent_direction(
    net: MeanFieldNet,
    particles: Particles,
    x: Tensor,
    y: Tensor,
    source: torch.Generator,
    *,
    candidates: int = 256,
    steps: int = 50,
    radii: tuple[float, float, float] | None = None,
) -> Descent:
    """The block ν that lowers E most to first order; ``slope`` is dE((1 - s)ρ + sν)/ds at s = 0.

    δE/δρ(θ, t) = mean ⟨f(X(t), θ), p(t)⟩ is minimised over all places t and all units with ‖a‖ <= r_a,
    ‖w‖ <= r_w, |b| <= r_b. It is linear in a: at given (w, b, t) its minimum is -r_a ‖mean σ(⟨w, X⟩ + b) p‖ <= 0.
    (w, b) is searched among ``candidates`` random units and those of ρ; the best of them take ``steps`` of
    gradient descent. If the ball holds ρ and its masses sum to 1, the slope is at most
    Σ m_l (δE/δρ(θ_l, t_l) - g_l) with g = ``mass_gradient``: 0 up to O(max m_l), since a copy of a block behind
    itself is not the block made stronger. The landscape theorem of Lu et al. 2020 (arXiv 2003.05508, from memory)
    as a procedure. For width > 1 the units of a block share one place and the search is a heuristic.

    Args:
        net: of weighting "equal".
        particles: ρ, sorted.
        x: (batch, inputs).
        y: (batch,).
        source: for the random units.
        candidates: how many of them.
        steps: gradient steps in (w, b).
        radii: (r_a, r_w, r_b); without it the smallest ball around ρ, but not less than (1, 3, 1).

    Raises:
        TypeError, ValueError: bad numbers or data, a "gaps" net, unsorted particles.
    """
    masses_count(net)
    net.factors(particles)
    checks.instance("source", source, torch.Generator, "contdepth.seeds.generator makes one")
    check_data(x, y)
    m, d = net.block.width, net.block.dimension
    checks.integer("candidates", candidates, at_least=m)
    checks.integer("steps", steps, at_least=0)
    a, w, b = (part.detach().flatten(0, 1) for part in net.block.parts(particles.theta))
    if radii is None:
        found = a.norm(dim=1).max(), w.norm(dim=1).max(), b.abs().max()
        radii = tuple(max(least, size.item()) for least, size in zip((1.0, 3.0, 1.0), found, strict=True))
    r_a, r_w, r_b = (checks.real("radii", radius, above=0) for radius in radii)

    def inside(units: Tensor) -> Tensor:
        w = units[:, :-1]
        w = w * (r_w / w.norm(dim=1, keepdim=True).clamp_min(r_w))
        return torch.cat([w, units[:, -1:].clamp(-r_b, r_b)], dim=1)

    size, kind = (candidates, d + 1), torch.float64
    drawn = torch.randn(size, generator=source, dtype=kind, device=source.device).to(w)
    units = inside(torch.cat([torch.cat([w, b[:, None]], dim=1), drawn * drawn.new_tensor([r_w] * d + [r_b])]))
    along = net.along(particles, x, y)
    times, before = places(particles)
    heights = moments(net, along, units, before).norm(dim=-1).amax(1)
    chosen = units[heights.argsort(descending=True)[: max(REFINED, m)]]
    if steps:
        chosen = torch.cat([improve(net, along, chosen, before, steps, inside), chosen])
    u = moments(net, along, chosen, before)
    tops, which = u.norm(dim=-1).topk(m, dim=0)
    place = int(tops.sum(0).argmax())
    which = which[:, place]
    u = u[which, place]
    a = -r_a * u / u.norm(dim=1, keepdim=True).clamp_min(torch.finfo(u.dtype).tiny)
    theta = torch.cat([a.flatten(), chosen[which, :-1].flatten(), chosen[which, -1]])
    value = (a * u).sum(1).mean().item()
    slope = value - (along.weights.detach() * net.mass_gradient(along)).sum().item()
    return Descent(Particles(theta[None], times[place, None], torch.ones_like(times[:1])), value, slope)


def falling_adam(theta: Tensor, rate: float, steps: int) -> tuple[Optimizer, LRScheduler]:
    """Adam on ``theta``, and the schedule by which its rate falls linearly to 0.05 of ``rate`` in ``steps``."""
    rule = torch.optim.Adam([theta], lr=rate)
    return rule, torch.optim.lr_scheduler.LinearLR(rule, 1.0, 0.05, max(steps, 1))


def descend(
    net: MeanFieldNet,
    particles: Particles,
    x: Tensor,
    y: Tensor,
    steps: int,
    *,
    rate: float = 0.02,
    threshold: float = 0.0,
) -> tuple[Particles, Tensor]:
    """At most ``steps`` of full-batch Adam on all θ, times and masses fixed; stops where E <= ``threshold``.

    The rate falls linearly to 0.05 of ``rate``. Returns the particles and E before every step and at the end,
    (steps + 1,) or fewer.

    Raises:
        TypeError, ValueError: bad numbers or data, unsorted particles.
    """
    checks.integer("steps", steps, at_least=0)
    checks.real("rate", rate, above=0)
    checks.real("threshold", threshold)
    checks.instance("net", net, MeanFieldNet)
    weights = net.factors(particles).detach()
    check_data(x, y)
    theta = particles.theta.detach().clone().requires_grad_()
    start = net.initial(x)
    rule, schedule = falling_adam(theta, rate, steps)
    losses = []
    for step in range(steps + 1):
        loss = 0.5 * (net.trajectory(theta, weights, start)[-1] @ net.w1 - y).square().mean()
        losses.append(loss.detach())
        if step == steps or loss.item() <= threshold:
            break
        theta.grad = torch.autograd.grad(loss, theta)[0]
        rule.step()
        schedule.step()
    return Particles(theta.detach(), particles.t.detach(), particles.mass), torch.stack(losses)


@dataclass(frozen=True)
class Escape:
    """What ``escape`` did: the last ``particles``, E after training in every round, then per block added the
    ``slopes`` ⟨δE/δρ, ν - ρ⟩ and ``shares`` of ν; ``reached`` says whether E fell to the threshold.
    """

    particles: Particles
    losses: list[float]
    slopes: list[float]
    shares: list[float]
    reached: bool


def escape(
    net: MeanFieldNet,
    particles: Particles,
    x: Tensor,
    y: Tensor,
    source: torch.Generator,
    *,
    threshold: float = 1e-4,
    rounds: int = 10,
    steps: int = 400,
    rate: float = 0.02,
    radii: tuple[float, float, float] = (3.0, 3.0, 3.0),
    candidates: int = 256,
) -> Escape:
    """Train; where E stays above ``threshold``, mix in the block of ``descent_direction`` and train again.

    ρ becomes (1 - s)ρ + sν with the s of 1/2, 1/4, …, 2⁻²⁰ that gives the least E; then all θ are trained, masses
    and times fixed. Ends at the threshold, after ``rounds`` blocks, or where no s lowers E. ``radii`` and
    ``candidates`` go to ``descent_direction``: one ball for all rounds, as trained a grow where masses are small.
    It need not hold ρ: ⟨δE/δρ, ρ⟩ = Σ ⟨a_l, ∂E/∂a_l⟩ is 0 where training has ended. The landscape theorem speaks
    of measures; this growth by one block a round is ours.

    Raises:
        TypeError, ValueError: as ``descend`` and ``descent_direction``.
    """
    slopes: list[float]
    shares: list[float]
    masses_count(net)
    checks.integer("rounds", rounds, at_least=0)
    slopes, shares = [], []
    particles, history = descend(net, particles, x, y, steps, rate=rate, threshold=threshold)
    losses = [history[-1].item()]
    while losses[-1] > threshold and len(shares) < rounds:
        found = descent_direction(net, particles, x, y, source, candidates=candidates, radii=radii)
        trials = [(net.loss(particles.mixed(found.particles, share), x, y).item(), share) for share in SHARES]
        least, share = min(trials)
        if least >= losses[-1]:
            break
        slopes.append(found.slope)
        shares.append(share)
        particles, history = descend(
            net, particles.mixed(found.particles, share), x, y, steps, rate=rate, threshold=threshold
        )
        losses.append(history[-1].item())
    return Escape(particles, losses, slopes, shares, losses[-1] <= threshold)
