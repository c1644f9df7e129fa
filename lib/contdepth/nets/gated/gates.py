"""Gates that look at a state and say whether the next block is computed: SkipNet's three designs, and chance."""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor, nn

from contdepth import checks
from contdepth.nets.init import draw_weights
from contdepth.seeds import derive, generator

__all__ = ["KINDS", "FeedforwardGates", "RecurrentGates", "make_gates", "random_gates"]

KINDS = ("recurrent", "feedforward-I", "feedforward-II")
EMBEDDING = HIDDEN = 10
Memory = tuple[Tensor, Tensor] | None
"""What gates carry from one block to the next: hidden state and cell of the LSTM, each ``(n, hidden)``."""


class FeedforwardGates(nn.Module):
    """One small convolutional net for each gate (Wang et al. 2018, arXiv 1711.09485, FFGate-I and FFGate-II).

    I: 2 x 2 maximum, 3 x 3 convolution, norm, ReLU, the same with stride 2, mean over space, linear. II: 3 x 3
    convolution with stride 2, norm, ReLU, mean over space, linear. Departures from the authors' code: one score
    and a sigmoid in place of two and a softmax (of which only the difference counts); the maximum takes the rest
    of odd sides too, so that states of one pixel go in.
    """

    def __init__(self, channels: tuple[int, ...], kind: str) -> None:
        super().__init__()
        self.each = nn.ModuleList(self.one(c, kind) for c in channels)

    @staticmethod
    def one(c: int, kind: str) -> nn.Sequential:
        """A gate for states of ``c`` channels; ``kind`` is that of ``make_gates``."""
        strided = [nn.Conv2d(c, c, 3, 2, 1, bias=False), nn.BatchNorm2d(c), nn.ReLU()]
        if kind == "feedforward-I":
            first = [nn.MaxPool2d(2, ceil_mode=True), nn.Conv2d(c, c, 3, 1, 1, bias=False)]
            strided = [*first, nn.BatchNorm2d(c), nn.ReLU(), *strided]
        return nn.Sequential(*strided, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(c, 1))

    def forward(self, k: int, u: Tensor, memory: Memory) -> tuple[Tensor, Memory]:
        """The score s_k, ``(n,)``, at the states ``u`` ``(n, channels, h, w)``: p(compute) = sigmoid(s_k)."""
        return self.each[k](u)[:, 0], None

    @property
    def last(self) -> list[nn.Linear]:
        """The layers whose biases the first probabilities come from."""
        return [one[-1] for one in self.each]  # type: ignore[index]


class RecurrentGates(nn.Module):
    """One LSTM for all gates (Wang et al. 2018, RNNGate): 10 numbers in, 10 hidden units.

    Each gate has its own linear map of the spatial means; LSTM and the linear map to the score are shared.
    """

    def __init__(self, channels: tuple[int, ...]) -> None:
        super().__init__()
        self.embed = nn.ModuleList(nn.Linear(c, EMBEDDING) for c in channels)
        self.cell = nn.LSTMCell(EMBEDDING, HIDDEN)
        self.score = nn.Linear(HIDDEN, 1)

    def forward(self, k: int, u: Tensor, memory: Memory) -> tuple[Tensor, Memory]:
        """The score s_k, ``(n,)``, at ``u`` ``(n, channels, h, w)``, and the memory for the next gate."""
        memory = self.cell(self.embed[k](u.mean(dim=(2, 3))), memory)
        return self.score(memory[0])[:, 0], memory

    @property
    def last(self) -> list[nn.Linear]:
        """The layer whose bias the first probabilities come from."""
        return [self.score]


def make_gates(channels: tuple[int, ...], kind: str, start: float, seed: int) -> FeedforwardGates | RecurrentGates:
    """Gates for states of ``channels`` each, weights from ``seed`` alone, not from the net's stream.

    ``start``: where the biases of the scores put p(compute), exactly if what they are added to is 0. The LSTM's
    weights are uniform on ±1/√hidden, which is PyTorch's default.
    """
    gates = RecurrentGates(channels) if kind == "recurrent" else FeedforwardGates(channels, kind)
    draw_weights(gates, derive(seed, "gates"))
    source, bound = generator(seed, "gates/lstm"), 1 / math.sqrt(HIDDEN)
    with torch.no_grad():
        if isinstance(gates, RecurrentGates):
            for weights in gates.cell.parameters():
                weights.uniform_(-bound, bound, generator=source)
        for layer in gates.last:
            layer.bias.fill_(math.log(start / (1 - start)))
    return gates


def random_gates(
    count: int, gates: int, rate: float | Tensor, source: Generator, *, device: str | torch.device = "cpu"
) -> Tensor:
    """Gates that look at nothing, ``(count, gates)`` of 0 and 1, float32: the control beside learned ones.

    ``rate``: the probability of 0, that is of skipping; one number, or one for each gate, ``(gates,)``, such as
    the shares that learned gates skip. Drawn on the device of ``source``, put on ``device``.

    Raises:
        TypeError, ValueError: counts below 0, rates outside [0, 1] or of another shape, no generator.
    """
    checks.integer("count", count, at_least=0), checks.integer("gates", gates, at_least=1)
    checks.affordable("count", count, gates)
    checks.instance("source", source, Generator, "contdepth.seeds.generator makes one")
    if isinstance(rate, Tensor):
        checks.finite("rate", checks.same_shape("rate", checks.reals("rate", rate), (gates,), "one for each gate"))
        if not bool(((rate >= 0) & (rate <= 1)).all()):
            checks.fail("rate", "probabilities in [0, 1]", rate.tolist())
        rate = rate.to(source.device, torch.float32)
    else:
        checks.real("rate", rate, at_least=0, at_most=1)
    where = checks.device("device", device)
    return (torch.rand(count, gates, generator=source, device=source.device) >= rate).float().to(where)
