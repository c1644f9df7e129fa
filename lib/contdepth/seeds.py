"""One seed, many independent streams: weights, data order, augmentation and noise never share random numbers."""

from __future__ import annotations

import hashlib

import torch

from contdepth import checks, devices

__all__ = ["derive", "generator"]


def derive(seed: int, purpose: str) -> int:
    """A 63-bit seed for one ``purpose``, such as ``"init"`` or ``"order/3"``; equal on every platform."""
    checks.integer("seed", seed, at_least=0)
    digest = hashlib.sha256(f"{seed}:{purpose}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def generator(seed: int, purpose: str, device: str | torch.device = "cpu") -> torch.Generator:
    """A generator of ``device`` started from ``derive(seed, purpose)``.

    The CPU's gives every device the same numbers, which are moved there. One of another device draws where the
    numbers are wanted: other numbers than the CPU's, the same again on a device of the same kind.
    """
    return torch.Generator(devices.named("device", device)).manual_seed(derive(seed, purpose))
