"""YOPO in plain autograd against the gradients of two frozen parts."""

from __future__ import annotations

import pytest
import torch
from small_images import batch, plain
from torch.nn.functional import cross_entropy

from contdepth.robust.threat import Threat
from contdepth.seeds import generator
from contdepth.studies.yopo.reference import reference_gradients

THREAT = Threat("1/5")


def test_reference_with_one_step_is_the_gradient_of_two_frozen_parts():
    """m = n = 1: the rest's gradient at the old δ, and the first layer's gradient of ⟨p, f_0⟩ at the new δ."""
    model, (x, y) = plain(torch.float64), batch(dtype=torch.float64)
    first, rest = model[:2], model[2:]
    start = THREAT.start(x, generator(0, "start"))
    state = first(x + start).detach().requires_grad_()
    slack, *deep = torch.autograd.grad(cross_entropy(rest(state), y), [state, *rest.parameters()])
    point = start.clone().requires_grad_()
    ascent = torch.autograd.grad((slack * first(x + point)).sum(), point)[0].sign()
    delta = (x + (start + 0.05 * ascent).clamp(-0.2, 0.2)).clamp(0, 1) - x
    shallow = torch.autograd.grad((slack * first(x + delta)).sum(), list(first.parameters()))
    options = {"steps": 1, "inner_steps": 1, "step_size": 0.05}
    for restore in ("copy", "reference"):
        model.zero_grad()
        last = reference_gradients(first, rest, x, y, start, THREAT, restore=restore, **options)
        assert float((last - delta).abs().max()) < 1e-12
        for p, g in zip(model.parameters(), [*shallow, *deep], strict=True):
            assert torch.allclose(p.grad, g, rtol=1e-10, atol=1e-14)
    copied = [p.grad.clone() for p in first.parameters()]
    reference_gradients(first, rest, x, y, start, THREAT, restore="copy", **options)
    for p, g in zip(first.parameters(), copied, strict=True):
        assert torch.allclose(p.grad, 2 * g, rtol=1e-10, atol=1e-14), "earlier gradients stay and add up"
    with pytest.raises(ValueError, match="restore"):
        reference_gradients(first, rest, x, y, start, THREAT, restore="none", **options)
