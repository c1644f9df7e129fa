"""Training PDE-Net 1 stage by stage: the loss at the last block, scaled unknowns, L-BFGS."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from contdepth import checks, devices
from contdepth.errors import DivergenceError
from contdepth.pde.fields.trajectories import Trajectories
from contdepth.pde.filters.constrained import correlate
from contdepth.pde.filters.moments import filter_from_moments
from contdepth.pde.pdenet1.block import PDENetBlock
from contdepth.seeds import generator

__all__ = ["Stage", "Unknowns", "last_block_loss", "pairs", "train_stage"]


@dataclass(frozen=True)
class Stage:
    """One stage: ``blocks`` blocks (0 is the warm-up), loss before and after, closures, CPU seconds."""

    blocks: int
    loss_before: float
    loss: float
    closures: int
    seconds: float


def pairs(data: Trajectories, blocks: int, count: int | None, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Frames ``blocks`` steps apart, both (M, 1, *space): all, or ``count`` drawn without replacement.

    The draw takes one start from each trajectory in turn, so few pairs come from many trajectories. Raises
    ``ValueError`` where no trajectory is long enough.
    """
    known = data.present[:, : max(data.present.shape[1] - blocks, 0)] & data.present[:, blocks:]
    found = known.cpu().nonzero()
    if not len(found):
        checks.fail(
            "u",
            f"a trajectory with frames {blocks} steps apart for {blocks} blocks",
            "none",
            "use fewer blocks or longer trajectories",
        )
    if count is not None and count < len(found):
        found = found[torch.randperm(len(found), generator=generator(seed, f"pairs/{blocks}"))]
        found = found[found[:, 0].argsort(stable=True)]
        start = torch.searchsorted(found[:, 0].contiguous(), found[:, 0].contiguous())
        rank = torch.arange(len(found)) - start  # 0 for the first pair of each trajectory, and so on
        first = torch.randperm(int(found[:, 0].max()) + 1, generator=generator(seed, f"trajectories/{blocks}"))
        found = found[(rank * len(first) + first[found[:, 0]]).argsort()[:count]]
    n, s = found.T
    return data.values[n, s], data.values[n, s + blocks]


def last_block_loss(block: PDENetBlock, start: torch.Tensor, target: torch.Tensor, blocks: int) -> torch.Tensor:
    """Mean over samples of ||u~_n - u_n||^2 / ||u_n - mean(u_n)||^2 after n = ``blocks`` blocks.

    The relative squared error at the last block, as in the paper's code; the denominator is taken sample by
    sample, so that trajectories of different size count equally. Without periodicity the points that a border has
    reached do not count.
    """
    space, inner = list(range(1, target.ndim)), (..., *block.interior(blocks))
    target = target[inner]  # type: ignore[index]
    size = (target - target.mean(space, keepdim=True)).square().sum(space)
    wrong = (block(start, blocks)[inner] - target).square().sum(space)
    return (wrong / size.clamp(min=torch.finfo(target.dtype).tiny)).mean()


class Unknowns:
    """One flat vector z in place of the block's parameters: parameter = scale * z, scaled from the data.

    A unit change of each entry changes one step by about the size of u itself. Without it the coefficient of
    a fourth derivative acts far stronger than that of a first one, and L-BFGS hardly moves: a departure from
    the paper's code, which optimises the parameters as they are. The model and its minima are the same.
    """

    def __init__(self, block: PDENetBlock, u: torch.Tensor, learn_filters: bool) -> None:
        with torch.no_grad():
            parts = [(block.values, _coefficient_scale(block, u))]
            if block.source is not None:
                parts.append((block.source.values, _source_scale(block, u)))
            if learn_filters and block.filters.free.numel():
                parts.append((block.filters.free, _moment_scale(block, u)))
            self.parameters = [parameter for parameter, _ in parts]
            self.scale = torch.cat([scale.expand_as(parameter).reshape(-1) for parameter, scale in parts])
            self.z = torch.cat([p.reshape(-1) for p in self.parameters]).div_(self.scale).requires_grad_()

    def push(self) -> None:
        """Write scale * z into the parameters and forget their gradients."""
        with torch.no_grad():
            values = (self.scale * self.z).split([p.numel() for p in self.parameters])
            for parameter, value in zip(self.parameters, values, strict=True):
                parameter.copy_(value.view_as(parameter))
                parameter.grad = None

    def pull(self) -> None:
        """Collect the gradient with respect to z."""
        self.z.grad = self.scale * torch.cat([p.grad.reshape(-1) for p in self.parameters])  # type: ignore[union-attr]


def train_stage(
    block: PDENetBlock,
    start: torch.Tensor,
    target: torch.Tensor,
    blocks: int,
    *,
    iterations: int = 50,
    memory: int = 50,
    learn_filters: bool = True,
) -> Stage:
    """Minimise ``last_block_loss`` from the block's present parameters by L-BFGS with a strong Wolfe search.

    Args:
        block: changed in place.
        start: (M, 1, *space); ``target``: the same shape, ``blocks`` steps later.
        target: see ``start``.
        blocks: number of blocks; 0 is the warm-up, one block with frozen filters.
        iterations: L-BFGS iterations.
        memory: number of update pairs that L-BFGS keeps.
        learn_filters: False keeps the filters as they are.

    Returns:
        Stage: what it cost and reached. The parameters are the best that any closure saw. A trial point whose
            loss is not finite counts as very bad, so the line search steps back.

    Raises:
        DivergenceError: the loss is not finite at the start; the stage before left an unstable step.
    """
    learn = learn_filters and blocks > 0
    block.filters.freeze(not learn)
    unknowns, losses, begin = Unknowns(block, start, learn), [], devices.now(start.device)  # type: ignore[var-annotated]
    best = unknowns.z.detach().clone()
    optimiser = torch.optim.LBFGS(
        [unknowns.z],
        lr=1.0,
        max_iter=iterations,
        max_eval=2 * iterations,
        history_size=memory,
        line_search_fn="strong_wolfe",
        tolerance_grad=1e-12,
        tolerance_change=1e-15,
    )

    def closure() -> torch.Tensor:
        unknowns.push()
        loss = last_block_loss(block, start, target, max(blocks, 1))
        loss.backward()
        unknowns.pull()
        value = loss.item()
        if not (math.isfinite(value) and bool(torch.isfinite(unknowns.z.grad).all())):  # type: ignore[arg-type]
            if not losses:
                checks.fail(
                    f"loss with {blocks} blocks",
                    "a finite number",
                    value,
                    "the stage before left an unstable step: pass jitter=0.002, or take more numbers of blocks",
                    error=DivergenceError,
                )
            unknowns.z.grad, value = torch.zeros_like(unknowns.z), 1e20
        elif value < min(losses, default=math.inf):
            best.copy_(unknowns.z.detach())
        losses.append(value)
        return loss.new_tensor(value)

    optimiser.step(closure)
    with torch.no_grad():
        unknowns.z.copy_(best)
    unknowns.push()
    block.filters.freeze(not learn_filters)
    return Stage(blocks, losses[0], min(losses), len(losses), devices.now(start.device) - begin)


def _size(values: torch.Tensor) -> torch.Tensor:
    return values.square().mean().sqrt().clamp(min=1e-300)


def _coefficient_scale(block: PDENetBlock, u: torch.Tensor) -> torch.Tensor:
    found = block.filters(u)[:, 0].transpose(0, 1).flatten(1).square().mean(1).sqrt()
    used = found if block.zero_order else found[1:]
    nodes = block.values[0].numel()
    scale = _size(u) / block.dt * math.sqrt(nodes) / used.clamp(min=1e-12 * float(found.max()))
    return scale.view(-1, *[1] * (block.values.ndim - 1))


def _source_scale(block: PDENetBlock, u: torch.Tensor) -> torch.Tensor:
    sample = u.reshape(-1)
    sample = sample[:: max(1, sample.numel() // 20000)]
    visited = block.source.basis(sample).square().mean(0).sqrt()  # type: ignore[union-attr]
    return (_size(u) / block.dt / visited.clamp(min=0.02))[None]


def _moment_scale(block: PDENetBlock, u: torch.Tensor) -> torch.Tensor:
    """A free moment of the filter of D_a adds dt c_a / dx^a times the filter with that one moment."""
    size, dim, filters = block.filters.size, block.dim, block.filters
    unit = filter_from_moments(torch.eye(size**dim, dtype=u.dtype, device=u.device).view(-1, *[size] * dim), dim)
    sample = u[:: max(1, len(u) // 8)]
    response = correlate(sample, unit, filters.boundary)[:, 0].transpose(0, 1)
    response = response.flatten(1).square().mean(1).sqrt()
    total, scales = _size(sample), []
    weight = dict(
        zip(
            block.alphas,
            block.coefficients().detach().flatten(1).square().mean(1).sqrt()
            if block.mesh is not None
            else block.values.detach().abs(),
            strict=True,
        )
    )
    for alpha, moment in filters.labels():
        place = 0
        for i in moment:
            place = place * size + i
        if any(alpha):
            divide = math.prod(h**a for h, a in zip(filters.dx, alpha, strict=True))
            own = 0
            for i in alpha:
                own = own * size + i
            factor = torch.maximum(block.dt * weight[alpha] / divide, 0.02 * total / response[own])
        else:
            factor = torch.ones((), dtype=u.dtype, device=u.device)
        scales.append(total / (factor * response[place]).clamp(min=1e-3 * float(total)))
    return torch.stack(scales)
