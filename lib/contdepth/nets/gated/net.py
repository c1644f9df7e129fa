"""SkipNet: a residual net that skips blocks picture by picture."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Generator, Tensor
from torch.nn.functional import logsigmoid

from contdepth import checks, devices
from contdepth.nets.blocks import images
from contdepth.nets.gated.gates import KINDS, Memory, make_gates
from contdepth.nets.plan import Plan, cifar_plan
from contdepth.nets.residual import ResidualNet

__all__ = ["WAYS", "GatedNet", "Routed", "gated_resnet"]

WAYS = ("hard", "straight-through", "soft", "sample")


@dataclass(frozen=True)
class Routed:
    """What came out, and the path: ``logits`` (n, classes); ``gates`` (n, G); ``scores`` (n, G).

    ``gates``: g_k, 1 where the block was computed and 0 where it was skipped; between them in the way ``"soft"``.
    ``scores``: s_k of p(compute) = sigmoid(s_k), with gradients, whatever decided.
    """

    logits: Tensor
    gates: Tensor
    scores: Tensor

    @property
    def probabilities(self) -> Tensor:
        """p(compute), (n, G)."""
        return self.scores.sigmoid()

    @property
    def log_probabilities(self) -> Tensor:
        """log π(g_k | u), (n, G): g log p + (1 - g) log(1 - p); through the scores alone."""
        gates = self.gates.detach()
        return gates * logsigmoid(self.scores) + (1 - gates) * logsigmoid(-self.scores)

    @property
    def skipped(self) -> float:
        """Share of the gates that are 0."""
        return float((self.gates.detach() == 0).double().mean())


class GatedNet(ResidualNet):
    """u_{n+1} = g_n B_n(u_n) + (1 - g_n) s_n(u_n), g_n in {0, 1} for each picture; L - 1 gates for L blocks.

    B_n is a whole block, shortcut and branch, so that this is s_n(u_n) + g_n f_n(u_n). The first block has no
    gate; gate k looks at the state before block k + 1. Pictures (n, in_channels, h, w) -> (n, num_classes) logits.

    ``way``: how gates decide in training. ``"straight-through"``: g = [p > 1/2] forwards, the derivative of p
    backwards (the authors' supervised stage); ``"soft"``: g = p (their other variant of it); ``"sample"``: g drawn
    with probability p, no derivative (their second stage); ``"hard"``: g = [p > 1/2], no derivative. In
    evaluation gates are hard, and a block is computed for the pictures that need it and for no others. In training
    all pictures go through all blocks, so that batch norms see the same statistics along every path.

    ``gate``: ``"recurrent"``, ``"feedforward-I"`` or ``"feedforward-II"``; ``start``: p(compute) at the start, as
    far as biases set it (ours; 1/2 is the authors' zero bias). Weights from ``seed`` alone; those outside the
    gates equal a ``ResidualNet``'s of this plan and seed.

    Source: Wang et al. 2018 (arXiv 1711.09485) and the authors' code. Departure: pre-activation blocks, where
    theirs have a ReLU after the sum.

    Raises:
        TypeError, ValueError: what ``ResidualNet`` raises; fewer than two blocks, unknown gates or ways.
    """

    def __init__(
        self,
        plan: Plan,
        *,
        gate: str = "recurrent",
        way: str = "straight-through",
        start: float = 0.5,
        in_channels: int = 3,
        num_classes: int = 10,
        seed: int = 0,
    ) -> None:
        super().__init__(plan, in_channels=in_channels, num_classes=num_classes, seed=seed)
        if plan.blocks < 2:
            checks.fail("plan", "at least two blocks", plan.blocks, "the first has no gate")
        self.gate, self.way = checks.one_of("gate", gate, KINDS), checks.one_of("way", way, WAYS)
        outer = [stage.out for stage in plan.stages for _ in range(stage.blocks)]
        start = checks.real("start", start, above=0, below=1)
        self.gates = make_gates(tuple(outer[:-1]), gate, start, seed)

    def extra_repr(self) -> str:
        return f"{self.plan.name}, gate={self.gate}, way={self.way}"

    def forward(self, x: Tensor) -> Tensor:
        return self.route(x).logits

    def route(
        self, x: Tensor, way: str | None = None, *, gates: Tensor | None = None, source: Generator | None = None
    ) -> Routed:
        """Logits with the path that led to them.

        ``way``: how gates decide, by default ``self.way`` in training and ``"hard"`` in evaluation. ``gates``:
        0 and 1, (n, G), that decide in their place (``random_gates``; ones: the whole net). ``source`` draws where
        the way is ``"sample"``; None is torch's global CPU generator.

        Raises:
            TypeError, ValueError: images of another kind, an unknown way, gates that are not 0 and 1.
        """
        images(x, self.stem.in_channels, self.stem.weight)
        if way is None:
            way = self.way if self.training else "hard"
        checks.one_of("way", way, WAYS)
        given = None if gates is None else zeros_and_ones(gates, (len(x), len(self.branches) - 1), x)
        where = devices.drawn_on(source)
        split = not self.training and (given is not None or way in ("hard", "sample"))
        memory: Memory = None
        u = self.stem(x)
        u = self.shortcuts[0](u) + self.branches[0](u)
        scores: list[Tensor] = []
        used: list[Tensor] = []
        for k in range(len(self.branches) - 1):
            s, memory = self.gates(k, u, memory)
            if given is not None:
                g = given[:, k]
            elif way == "sample":
                g = (torch.rand(len(x), generator=source, device=where).to(x.device) < s.sigmoid()).to(s)
            else:
                g = decided(s, way)
            u = self.gated(k + 1, u, g, split)
            scores.append(s)
            used.append(g)
        return Routed(self.head(u), torch.stack(used, 1), torch.stack(scores, 1))

    def gated(self, n: int, u: Tensor, g: Tensor, split: bool) -> Tensor:
        """s_n(u) + g f_n(u); ``split``: f_n only of the rows where g is 1, not at all where there are none."""
        here = self.shortcuts[n](u)
        if not split:
            return here + g[:, None, None, None] * self.branches[n](u)
        rows = g.detach().nonzero()[:, 0]
        if len(rows) == 0:
            return here
        return here.index_add(0, rows, self.branches[n](u[rows]))


def decided(s: Tensor, way: str) -> Tensor:
    """g, (n,), of the scores ``s`` without chance."""
    p = s.sigmoid()
    if way == "soft":
        return p
    hard = (p > 0.5).to(p)
    return hard if way == "hard" else hard + (p - p.detach())


def zeros_and_ones(gates: Tensor, shape: tuple[int, ...], like: Tensor) -> Tensor:
    """``gates`` in the dtype of ``like`` if they are 0 and 1, of ``shape``, on its device."""
    checks.same_shape("gates", gates, shape, "one row a picture, one column a gate")
    devices.common(x=like, gates=gates)
    if not bool(((gates == 0) | (gates == 1)).all()):
        checks.fail("gates", "zeros and ones", "other numbers")
    return gates.detach().to(like.dtype)


def gated_resnet(
    depth: int = 20,
    block: str = "basic",
    *,
    width: int = 16,
    gate: str = "recurrent",
    way: str = "straight-through",
    start: float = 0.5,
    in_channels: int = 3,
    num_classes: int = 10,
    seed: int = 0,
) -> GatedNet:
    """A ``GatedNet`` of ``depth`` = 6n + 2 (basic) or 9n + 2 (bottleneck) layers, three stages of n blocks.

    Raises:
        TypeError, ValueError: what ``GatedNet`` and the plan raise.
    """
    plan = cifar_plan(depth, block, width=width)
    return GatedNet(
        plan, gate=gate, way=way, start=start, in_channels=in_channels, num_classes=num_classes, seed=seed
    )
