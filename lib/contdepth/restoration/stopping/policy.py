"""The policy unit: from (X_n, y, X_n − X_{n-1}) and n to one number, positive where going on is preferred."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import pad, pixel_unshuffle, relu

from contdepth import checks
from contdepth.restoration.stopping.rollouts import Rollouts
from contdepth.seeds import derive

__all__ = ["Encoded", "Policy", "PolicyUnit", "continuation_values", "make_policy"]

PRECISIONS = ("fp32", "bf16")


class Policy(nn.Module):
    """A map from states to the value of going on, ``(k,)``: v > 0 continues, v ≤ 0 stops.

    For deep Q-learning v is Q(continue), next to Q(stop) = 0; for a stopping probability π = sigmoid(−v), so that
    π ≥ 1/2 is the same rule. ``encode`` has no weights (its result may be stored), ``value`` has all of them.
    ``horizon``: N; the policy is asked at n = 0 … N − 1, at N everything stops.
    """

    horizon: int

    def encode(self, x: Tensor, y: Tensor, previous: Tensor) -> Tensor:
        """Features ``(k, …)`` of the iterates, observations and previous iterates, each ``(k, 1, h, w)``."""
        raise NotImplementedError  # abstract: each kind has its own

    def value(self, features: Tensor, step: Tensor) -> Tensor:
        """v for encoded states and their step numbers, int64 ``(k,)``: ``(k,)``."""
        raise NotImplementedError  # abstract: each kind has its own

    def forward(self, x: Tensor, y: Tensor, previous: Tensor, step: Tensor) -> Tensor:
        """v, ``(k,)``, at the iterates ``x`` ``(k, 1, h, w)``, with y, X_{n-1} and n."""
        return self.value(self.encode(x, y, previous), step)


class PolicyUnit(Policy):
    """Strided convolutions on interleaved pixels, global pooling, a step embedding, and an MLP.

    98,481 parameters at width 16 and horizon 12; 5.5 million multiply-adds at 128 × 128. The three inputs are
    shifted and scaled by constants to order 1 (X_n − 1/2, y − X_n, X_n − X_{n-1}; no batch norm) and 4 × 4 blocks
    become 48 channels; sides are extended to multiples of 4. Pooled are the mean and the root mean square over all
    places, so that any size goes in.

    A departure: the paper's policy unit is remembered as recurrent (an LSTM; its text was not seen). For a fixed
    unit the next state is a function of (X_n, y), and with n the horizon is known: a Markov decision process, in
    which some optimal policy has no memory. So there is none here.
    """

    def __init__(self, horizon: int, width: int = 16) -> None:
        super().__init__()
        self.horizon = checks.integer("horizon", horizon, at_least=1, at_most=10_000)
        c = checks.integer("width", width, at_least=1, at_most=10_000)
        self.blocks = nn.Linear(48, c)
        self.down = nn.ModuleList(
            [
                nn.Conv2d(c, 2 * c, 3, stride=2, padding=1),
                nn.Conv2d(2 * c, 4 * c, 3, stride=2, padding=1),
                nn.Conv2d(4 * c, 4 * c, 3, padding=1),
            ]
        )
        self.embedding = nn.Embedding(horizon, 2 * c)
        self.head = nn.Sequential(
            nn.Linear(10 * c, 8 * c), nn.ReLU(), nn.Linear(8 * c, 8 * c), nn.ReLU(), nn.Linear(8 * c, 1)
        )

    def encode(self, x: Tensor, y: Tensor, previous: Tensor) -> Tensor:
        """``(k, h/4, w/4, 48)``, sides rounded up."""
        x, y, previous = (part.float() for part in (x, y, previous))
        planes = torch.cat([4 * (x - 0.5), 4 * (y - x), 8 * (x - previous)], dim=1)
        h, w = planes.shape[-2:]
        if h % 4 or w % 4:
            planes = pad(planes, (0, -w % 4, 0, -h % 4), mode="replicate")
        return pixel_unshuffle(planes, 4).permute(0, 2, 3, 1).contiguous()

    def value(self, features: Tensor, step: Tensor) -> Tensor:
        """v, ``(k,)``; the convolutions run in the autocast of the caller, pooling and MLP in float32."""
        h = relu(self.blocks(features)).permute(0, 3, 1, 2)
        for layer in self.down:
            h = relu(layer(h))
        with torch.autocast(h.device.type, enabled=False):
            h = h.flatten(2).float()
            spread = h.square().mean(2).add(1e-6).sqrt()
            return self.head(torch.cat([h.mean(2), spread, self.embedding(step)], dim=1))[:, 0]


def make_policy(horizon: int, seed: int, width: int = 16) -> PolicyUnit:
    """A policy unit in the channels-last layout whose start depends on ``seed`` alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(seed, "policy"))
        return PolicyUnit(horizon, width).to(memory_format=torch.channels_last)  # type: ignore[call-overload]


@dataclass(frozen=True)
class Encoded:
    """All states n = 0 … N − 1 of a bank of rollouts as features of ``policy``, row ``episode · N + n``.

    Encoding once takes the work without weights out of training. ``precision``: ``"fp32"``, or ``"bf16"``
    (features in bfloat16, layers in autocast: faster on a CPU that has bfloat16).
    """

    policy: Policy
    features: Tensor
    steps: int
    precision: str = "fp32"

    @classmethod
    def of(cls, policy: Policy, rollouts: Rollouts, precision: str = "fp32", batch: int = 64) -> Encoded:
        """Encode ``rollouts``, ``batch`` states at a time.

        Raises:
            TypeError, ValueError: not a policy or rollouts, more steps than the policy's horizon.
        """
        matching(policy, rollouts)
        dtype = torch.bfloat16 if precision == "bf16" else torch.float32
        features = None
        with torch.no_grad():
            for rows in everything(rollouts, batch):
                part = policy.encode(*rollouts.inputs(rows // rollouts.steps, rows % rollouts.steps)).to(dtype)
                if features is None:
                    features = part.new_empty(len(rollouts) * rollouts.steps, *part.shape[1:])
                features[rows] = part
        return cls(policy, features, rollouts.steps, precision)  # type: ignore[arg-type]

    def values(self, rows: Tensor) -> Tensor:
        """v, float32 ``(k,)``, of the states ``rows``, int64 ``(k,)``; with gradients."""
        device = self.features.device
        rows = rows.to(device)
        with torch.autocast(device.type, torch.bfloat16, enabled=self.precision == "bf16"):
            return self.policy.value(self.features.index_select(0, rows), rows % self.steps).float()

    def table(self, batch: int = 128) -> Tensor:
        """v of all states, float32 ``(episodes, N)``, without gradients."""
        with torch.no_grad():
            rows = torch.arange(len(self.features), device=self.features.device)
            return torch.cat([self.values(part) for part in rows.split(batch)]).view(-1, self.steps)


def continuation_values(policy: Policy, rollouts: Rollouts, *, precision: str = "fp32", batch: int = 64) -> Tensor:
    """v of all states n = 0 … N − 1, float32 ``(episodes, N)``, in one batched pass without gradients.

    Raises:
        TypeError, ValueError: not a policy or rollouts, more steps than the policy's horizon, bad precision.
    """
    matching(policy, rollouts)
    checks.one_of("precision", precision, PRECISIONS)
    values = []
    with torch.no_grad(), torch.autocast(rollouts.states.device.type, torch.bfloat16, enabled=precision == "bf16"):
        for rows in everything(rollouts, batch):
            steps = rows % rollouts.steps
            values.append(policy(*rollouts.inputs(rows // rollouts.steps, steps), steps).float())
    return torch.cat(values).view(len(rollouts), rollouts.steps)


def everything(rollouts: Rollouts, batch: int) -> tuple[Tensor, ...]:
    """Rows ``episode · N + n`` of all states with a decision, in order, ``batch`` at a time."""
    checks.integer("batch", batch, at_least=1)
    return torch.arange(len(rollouts) * rollouts.steps, device=rollouts.states.device).split(batch)


def matching(policy: object, rollouts: object) -> None:
    """A policy, rollouts, and a horizon that reaches as far as they do."""
    if not isinstance(policy, Policy):
        checks.fail("policy", "a Policy", type(policy).__name__, "make_policy(horizon, seed)", error=TypeError)
    if not isinstance(rollouts, Rollouts):
        checks.fail("rollouts", "Rollouts", type(rollouts).__name__, "roll_out(…) makes them", error=TypeError)
    if rollouts.steps > policy.horizon:
        hint = "the policy knows no later step numbers: cut the rollouts or make another policy"
        checks.fail("rollouts.steps", f"at most the policy's horizon {policy.horizon}", rollouts.steps, hint)
