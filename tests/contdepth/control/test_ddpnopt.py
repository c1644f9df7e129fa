"""The layer-wise optimiser against exact sweeps, PyTorch's optimisers and dense curvature matrices."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from contdepth.control import ControlProblem, DDPNOpt
from contdepth.control.ddp.curvatures import Diagonal, Identity, Kronecker
from contdepth.control.ddp.layerwise import ACTIVATIONS, cross_entropy_slopes
from contdepth.control.ddp.sweep import backward_sweep, roll_out, states_of
from contdepth.seeds import generator

SIZES = (3, 4, 4, 2)


def noise(*shape: int, purpose: str = "x") -> Tensor:
    return torch.randn(*shape, generator=generator(9, purpose), dtype=torch.float64)


def matrices(*lead: int) -> list[Tensor]:
    """Biases are positive, so that rectifiers are not all dead."""
    found = [noise(*lead, b, a + 1, purpose=f"u/{a}/{b}") / 2 for a, b in zip(SIZES, SIZES[1:], strict=False)]
    for one in found:
        one[..., -1] = one[..., -1].abs()
    return found


ALONG = noise(2, purpose="along")


def rank_one(final: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """½(aᵀx - y)², whose second derivative is a aᵀ exactly."""
    left = (final @ ALONG - y)[..., None]
    return left[..., 0].square() / 2, left * ALONG, ALONG.expand_as(final)


def exact(samples: int, y: Tensor, activation: str) -> ControlProblem:
    act = ACTIVATIONS[activation][0]

    def step(t: int, x: Tensor, u: Tensor) -> Tensor:
        rows = x.view(samples, -1)
        after = torch.cat((rows, torch.ones_like(rows[:, :1])), 1) @ u.view(SIZES[t + 1], -1).T
        return (after if t + 2 == len(SIZES) else act(after)).flatten()

    return ControlProblem(step, lambda x: ((x.view(samples, -1) @ ALONG - y).square() / 2).mean())


@pytest.mark.parametrize("activation", ["tanh", "sigmoid", "relu"])
def test_with_one_sample_it_is_the_exact_sweep(activation):
    rate, x, y = 0.03, noise(1, 3), noise(1, purpose="y")  # at 0.1 the rectifiers meet the bound at 0
    problem, controls = exact(1, y, activation), tuple(one.flatten() for one in matrices())
    states = states_of(problem, x.flatten(), controls)
    policy = backward_sweep(problem, states, controls, curvature=1 / rate)
    _, wanted = roll_out(problem, states, controls, policy)
    found = matrices()
    DDPNOpt(found, rate=rate, activation=activation, terminal=rank_one).step(x, y)
    for one, other in zip(found, wanted, strict=True):
        assert (one.flatten() - other).abs().max() < 1e-14
    assert (found[2] - matrices()[2]).abs().max() > 1e-3


def test_in_a_batch_the_last_layer_answers_as_the_exact_sweep_does():
    rate, x, y = 0.1, noise(5, 3), noise(5, purpose="y")
    problem, old = exact(5, y, "tanh"), tuple(one.flatten() for one in matrices())
    states = states_of(problem, x.flatten(), old)
    policy = backward_sweep(problem, states, old, curvature=1 / rate)
    found = matrices()
    DDPNOpt(found, rate=rate, terminal=rank_one).step(x, y)
    new = states_of(problem, x.flatten(), [one.flatten() for one in found])
    wanted = old[2] + policy.gains[2] + policy.feedback[2] @ (new[2] - states[2])
    assert (found[2].flatten() - wanted).abs().max() < 1e-14


def test_z_is_the_root_of_the_blocks_that_the_exact_sweep_has_for_each_sample():
    rate, x, y = 0.3, noise(5, 3), noise(5, purpose="y")
    problem, old = exact(5, y, "tanh"), tuple(one.flatten() for one in matrices())
    states = states_of(problem, x.flatten(), old)
    policy = backward_sweep(problem, states, old, curvature=1 / rate)
    back = policy.by_state[2].T
    outer = torch.block_diag(*[torch.outer(ALONG, ALONG) / 5] * 5)
    curve = back @ outer @ back.T - policy.feedback[2].T @ policy.feedback[2] / rate
    ours = DDPNOpt(matrices(), rate=rate, terminal=rank_one)
    _, v, z = rank_one(states[3].view(5, 2), y)
    _, found, _ = ours._back(2, states[2].view(5, 4), states[3].view(5, 2), v, z)
    for k in range(5):
        block = curve[4 * k : 4 * k + 4, 4 * k : 4 * k + 4]
        assert (torch.outer(found[k], found[k]) / 5 - block).abs().max() < 1e-14 < block.abs().max()


def torch_net() -> nn.Sequential:
    layers: list[nn.Module] = []
    for one in matrices():
        layer = nn.Linear(one.shape[1] - 1, one.shape[0]).double()
        layer.weight.data.copy_(one[:, :-1])
        layer.bias.data.copy_(one[:, -1])
        layers += [layer, nn.Tanh()]
    return nn.Sequential(*layers[:-1])


@pytest.mark.parametrize(
    ("curvature", "usual"), [("identity", torch.optim.SGD), ("diagonal", torch.optim.RMSprop)]
)
def test_without_feedback_it_is_the_usual_method(curvature, usual):
    net, found = torch_net(), matrices()
    ours, theirs = DDPNOpt(found, curvature, rate=0.05, feedback=False), usual(net.parameters(), lr=0.05)
    for k in range(5):
        x, y = noise(8, 3, purpose=f"x/{k}"), torch.arange(8) % 2
        losses = ours.step(x, y)
        loss = nn.functional.cross_entropy(net(x), y)
        assert losses.mean() == pytest.approx(float(loss.detach()), abs=1e-12)
        theirs.zero_grad()
        loss.backward()
        theirs.step()
    for one, layer in zip(found, list(net)[::2], strict=True):
        assert (one - torch.cat((layer.weight, layer.bias[:, None]), 1)).abs().max() < 1e-12


def test_curvatures_are_the_matrices_they_stand_for():
    x, v, z, slope = noise(6, 4), noise(6, 3, purpose="v"), noise(6, 3, purpose="z"), noise(3, 4, purpose="s")
    product, diagonal = Kronecker(0.5, 0.04), Diagonal(0.75, 0.1)
    for one in (product, diagonal, Identity(0, 0)):
        one.see(slope, x, v)
        one.see(2 * slope, x + 1, 2 * v)
    weighted = [(0.25 * a.T @ a + 0.5 * b.T @ b) / (6 * 0.75) for a, b in ((v, 2 * v), (x, x + 1))]
    outer, inner = (part + 0.2 * torch.eye(len(part), dtype=part.dtype) for part in weighted)
    size = (0.25 * (0.75 + 4) * slope.square()).sqrt() + 0.1
    dense = {
        product: torch.kron(outer, inner),
        diagonal: size.flatten().diag(),
        Identity(0, 0): torch.eye(12, dtype=torch.float64),
    }
    for one, matrix in dense.items():
        found = one.solve(slope).flatten()
        assert (found - torch.linalg.solve(matrix, slope.flatten())).abs().max() < 1e-12
        q = torch.einsum("bi,bj->bij", z, x).flatten(1)
        wanted = (q * torch.linalg.solve(matrix, q.T).T).sum(1)
        assert (one.squares(z, x) - wanted).abs().max() < 1e-11 * wanted.max()


def test_slopes_of_the_cross_entropy_are_autograds():
    final, y = noise(4, 3).requires_grad_(), torch.tensor([0, 2, 1, 1])
    losses = nn.functional.cross_entropy(final, y, reduction="none")
    found = cross_entropy_slopes(final.detach(), y)
    assert (found.losses - losses).abs().max() < 1e-14
    assert (found.v - torch.autograd.grad(losses.sum(), final)[0]).abs().max() < 1e-14


@pytest.mark.parametrize("curvature", ["identity", "diagonal", "kronecker"])
def test_members_do_as_each_alone_at_its_own_rate(curvature):
    rates, x = torch.tensor([0.02, 0.3], dtype=torch.float64), noise(2, 8, 3)
    y = torch.arange(16).view(2, 8) % 2
    both = matrices(2)
    alone = [[one[k].clone() for one in both] for k in range(2)]
    together = DDPNOpt(both, curvature, rate=rates)
    singles = [DDPNOpt(alone[k], curvature, rate=float(rates[k])) for k in range(2)]
    for _ in range(3):
        together.step(x, y)
        for k in range(2):
            singles[k].step(x[k], y[k])
    for k in range(2):
        assert all((one[k] - other).abs().max() < 1e-9 for one, other in zip(both, alone[k], strict=True))


def test_a_rate_at_which_nothing_of_the_curvature_is_left_stays_finite():
    found = matrices()
    ours = DDPNOpt(found, rate=50.0)
    ours.step(noise(8, 3), torch.arange(8) % 2)
    assert all(one.isfinite().all() for one in found)


@pytest.mark.parametrize(
    ("argument", "given"),
    [("curvature", {"curvature": "full"}), ("rate", {"rate": 0}), ("activation", {"activation": "sin"})],
)
def test_settings_outside_their_range_are_told(argument, given):
    with pytest.raises(ValueError, match=f"^{argument}: expected"):
        DDPNOpt(matrices(), **given)
    with pytest.raises(ValueError, match="^matrices: expected"):
        DDPNOpt([noise(3, 4), noise(2, 3)])
