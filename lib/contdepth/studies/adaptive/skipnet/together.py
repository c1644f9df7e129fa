"""Gated nets of several seeds and rates side by side: one grouped convolution where each of them has one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Generator, Tensor, nn

from contdepth.nets import GatedNet, Routed
from contdepth.nets.gated.gates import RecurrentGates
from contdepth.nets.gated.net import decided

__all__ = ["Together"]


class Lines(nn.Module):
    """Linear maps of S members: (n, S·inputs) -> (n, S·outputs)."""

    def __init__(self, members: Sequence[nn.Linear]) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.stack([one.weight.detach() for one in members]))
        self.bias = nn.Parameter(torch.stack([one.bias.detach() for one in members]))

    def forward(self, x: Tensor) -> Tensor:
        found = torch.einsum("nsi,soi->nso", x.view(len(x), len(self.weight), -1), self.weight)
        return (found + self.bias).flatten(1)


class Cells(nn.Module):
    """LSTM cells of S members: rows (n, S·inputs) and a memory of two (n, S, hidden)."""

    weight_ih: Tensor
    weight_hh: Tensor
    bias_ih: Tensor
    bias_hh: Tensor

    def __init__(self, members: Sequence[nn.LSTMCell]) -> None:
        super().__init__()
        for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
            stacked = torch.stack([getattr(one, name).detach() for one in members])
            self.register_parameter(name, nn.Parameter(stacked))

    def forward(self, x: Tensor, memory: tuple[Tensor, Tensor] | None) -> tuple[Tensor, Tensor]:
        x = x.view(len(x), len(self.weight_ih), -1)
        if memory is None:
            memory = (x.new_zeros(*x.shape[:2], self.weight_hh.shape[2]),) * 2
        hidden, cell = memory
        four = torch.einsum("nsi,soi->nso", x, self.weight_ih) + self.bias_ih
        four = four + torch.einsum("nsi,soi->nso", hidden, self.weight_hh) + self.bias_hh
        enter, forget, new, out = four.chunk(4, 2)
        cell = forget.sigmoid() * cell + enter.sigmoid() * new.tanh()
        return out.sigmoid() * cell.tanh(), cell


def merged(members: Sequence[nn.Module]) -> nn.Module:
    """One module in the place of ``members``, which are of one form; members are blocks of channels."""
    first = members[0]
    if isinstance(first, nn.Conv2d):
        assert first.bias is None and first.groups == 1
        channels = len(members) * first.in_channels, len(members) * first.out_channels
        options: dict[str, Any] = {"stride": first.stride, "padding": first.padding, "groups": len(members)}
        options |= {"kernel_size": first.kernel_size, "bias": False, "dtype": first.weight.dtype}
        conv = nn.Conv2d(*channels, **options)
        conv.weight = nn.Parameter(torch.cat([one.state_dict()["weight"] for one in members]))
        return conv
    if isinstance(first, nn.BatchNorm2d):
        norm = nn.BatchNorm2d(len(members) * first.num_features, dtype=first.weight.dtype)
        for name, value in norm.state_dict().items():
            parts = [one.state_dict()[name] for one in members]
            value.copy_(torch.cat(parts) if value.ndim else parts[0])
        return norm
    if isinstance(first, nn.Linear):
        return Lines(members)  # type: ignore[arg-type]
    if isinstance(first, nn.LSTMCell):
        return Cells(members)  # type: ignore[arg-type]
    parts = [merged(each) for each in zip(*(one.children() for one in members), strict=True)]
    if isinstance(first, nn.ModuleList):
        return nn.ModuleList(parts)
    return nn.Sequential(*parts) if parts else first


class Together(nn.Module):
    """``members``, gated nets of one form, as one module that is trained; ``part`` gives the weights back.

    Every parameter has the members as equal blocks along its first axis. Members see pictures of their own. What
    a member computes, and its gradient, is what it computes alone.
    """

    def __init__(self, members: Sequence[GatedNet]) -> None:
        super().__init__()
        self.size, first = len(members), members[0]
        self.recurrent = isinstance(first.gates, RecurrentGates)
        self.stem, self.head_norm = merged([m.stem for m in members]), merged([m.head.norm for m in members])
        self.head_line = merged([m.head.linear for m in members])
        self.branches = merged([m.branches for m in members])
        self.shortcuts = merged([m.shortcuts for m in members])
        self.gates = nn.ModuleList(
            merged(each) for each in zip(*(m.gates.children() for m in members), strict=True)
        )

    def score(self, k: int, u: Tensor, memory: tuple[Tensor, Tensor] | None) -> tuple[Tensor, object]:
        """Scores (n, S) of gate ``k``, and the memory for the next one."""
        if not self.recurrent:
            return self.gates[0][k](u), None  # type: ignore[index]
        embed, cell, line = self.gates
        memory = cell(embed[k](u.mean(dim=(2, 3))), memory)  # type: ignore[index]
        return line(memory[0].flatten(1)), memory

    def route(
        self,
        x: Tensor,
        way: str = "straight-through",
        *,
        gates: Tensor | None = None,
        sources: Sequence[Generator] = (),
    ) -> list[Routed]:
        """A path for each member. ``x``: (n, S·channels, h, w); ``way``: as of ``GatedNet.route``.

        ``gates``: (n, S, G), in the place of scores, which are then 0. ``sources``: one a member, to sample.
        """
        u, memory, scores, used = self.stem(x), None, [], []
        u = self.shortcuts[0](u) + self.branches[0](u)  # type: ignore[index]
        for k in range(len(self.branches) - 1):  # type: ignore[arg-type]
            if gates is not None:
                g = gates[:, :, k].to(u)
                s = torch.zeros_like(g)
            else:
                s, memory = self.score(k, u, memory)  # type: ignore[arg-type]
                if way == "sample":
                    draws = torch.stack([torch.rand(len(x), generator=source) for source in sources], 1)
                    g = (draws.to(x.device) < s.sigmoid()).to(s)
                else:
                    g = decided(s, way)
            here, there = self.shortcuts[k + 1](u), self.branches[k + 1](u)  # type: ignore[index]
            u = here + (there.unflatten(1, (self.size, -1)) * g[:, :, None, None, None]).flatten(1, 2)
            scores.append(s)
            used.append(g)
        logits = self.head_line(torch.relu(self.head_norm(u)).mean(dim=(2, 3))).unflatten(1, (self.size, -1))
        paths, felt = torch.stack(used, 2), torch.stack(scores, 2)
        return [Routed(logits[:, i], paths[:, i], felt[:, i]) for i in range(self.size)]

    @torch.no_grad()
    def give_back(self, members: Sequence[GatedNet]) -> None:
        """Write the present weights and statistics into ``members``, those this was made from."""
        here = [value for part in self.children_like() for value in part.state_dict().values()]
        for i, member in enumerate(members):
            there = [value for part in parts_of(member) for value in part.state_dict().values()]
            for mine, theirs in zip(here, there, strict=True):
                theirs.copy_(mine.view(self.size, *theirs.shape)[i] if mine.ndim else mine)

    def children_like(self) -> list[nn.Module]:
        """Parts in the order of ``parts_of``."""
        return [self.stem, self.head_norm, self.head_line, self.branches, self.shortcuts, self.gates]


def parts_of(member: GatedNet) -> list[nn.Module]:
    """The parts of a net in the order in which they are given back."""
    return [
        member.stem,
        member.head.norm,
        member.head.linear,
        member.branches,
        member.shortcuts,
        nn.ModuleList(member.gates.children()),
    ]
