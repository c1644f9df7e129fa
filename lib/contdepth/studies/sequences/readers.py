"""PyTorch's own recurrent nets, drawn by a generator: what every cell of the theme is measured against."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from contdepth import checks
from contdepth.recurrent import Series

__all__ = ["TorchReader"]


class TorchReader(nn.Module):
    """PyTorch's own LSTM or tanh net along series, with weights that a generator draws.

    Weights are uniform between ±1/√hidden and biases 0, but the LSTM's forget gate, which starts at ``forget``.
    The state is h, or h and c side by side. Missing numbers are 0; missing rows may stand at the end alone.

    Args:
        kind: "lstm", "tanh", or "orthogonal": a tanh net whose recurrent matrix starts orthogonal.
        inputs: numbers in a row.
        hidden: numbers in h.
        forget: bias of the forget gate at first.
        generator: draws the weights.
    """

    def __init__(
        self, kind: str, inputs: int, hidden: int, *, forget: float = 1.0, generator: torch.Generator
    ) -> None:
        super().__init__()
        checks.one_of("kind", kind, ("lstm", "tanh", "orthogonal"))
        self.kind, self.hidden = kind, hidden
        self.net: nn.Module = (nn.LSTM if kind == "lstm" else nn.RNN)(inputs, hidden, batch_first=True)
        with torch.no_grad():
            for name, weights in self.net.named_parameters():
                bound = 0.0 if name.startswith("bias") else 1 / math.sqrt(hidden)
                weights.copy_(bound * (2 * torch.rand(weights.shape, generator=generator) - 1))
            if kind == "lstm":
                self.net.get_parameter("bias_ih_l0")[hidden : 2 * hidden] = forget
            if kind == "orthogonal":
                drawn = torch.linalg.qr(torch.randn(hidden, hidden, generator=generator))
                self.net.get_parameter("weight_hh_l0").copy_(drawn.Q * drawn.R.diagonal().sign())

    @property
    def states(self) -> int:
        """Numbers in the whole state."""
        return self.hidden * (2 if self.kind == "lstm" else 1)

    def forward(self, series: Series, state: Tensor | None = None) -> Tensor:
        """Return h after the last row of each series, ``(n, hidden)``, from ``state`` ``(n, states)``."""
        found = self.net(series.values, self._split(state))[0]
        last = (series.lengths - 1).clamp_min(0)
        return found[torch.arange(len(found)), last]

    def last_state(self, series: Series, state: Tensor) -> Tensor:
        """Return the whole state after the last row, ``(n, states)``, of series without missing rows."""
        end = self.net(series.values, self._split(state))[1]
        return torch.cat(end, dim=2)[0] if self.kind == "lstm" else end[0]

    def _split(self, state: Tensor | None) -> Tensor | tuple[Tensor, Tensor] | None:
        if state is None or self.kind != "lstm":
            return state if state is None else state[None]
        h, c = state.chunk(2, dim=1)
        return h[None].contiguous(), c[None].contiguous()
