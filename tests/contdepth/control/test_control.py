"""Maximum principle: co-states against backprop and finite differences, invariants, successive approximations."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from contdepth.control import (
    ControlledSystem,
    ResidualControl,
    ResidualStep,
    Trajectory,
    control_view,
    successive_approximations,
)
from contdepth.control.msa import augmented_maximiser, features, half_square, infeasibility
from contdepth.nets.init import draw_weights
from contdepth.nets.small_cnn import SmallCNN
from contdepth.nets.wide_resnet import WideResNet
from contdepth.seeds import generator

BATCH = 6


def noise(*shape: int, purpose: str = "x") -> Tensor:
    return torch.randn(*shape, generator=generator(3, purpose), dtype=torch.float64)


def error(found: Tensor, expected: Tensor) -> float:
    return ((found - expected).norm() / expected.norm()).item()


def conv_net() -> nn.Sequential:
    net = nn.Sequential(
        nn.Conv2d(2, 5, 3),
        nn.ReLU(),
        nn.BatchNorm2d(5),
        nn.Conv2d(5, 4, 3, stride=2),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(36, 7),
    ).double()
    draw_weights(net, 5)
    net[0].bias.data.copy_(noise(5, purpose="bias"))
    net[3].bias.data.copy_(noise(4, purpose="bias"))
    net[2].running_mean.copy_(noise(5, purpose="mean"))
    net[2].running_var.copy_(noise(5, purpose="variance").square() + 0.5)
    return net.eval()


def conv_case() -> tuple[ControlledSystem, Tensor, Tensor]:
    y = torch.randint(7, (BATCH,), generator=generator(3, "y"))
    return control_view(conv_net(), running=0.01), noise(BATCH, 2, 9, 9), y


def smooth_case() -> tuple[ControlledSystem, Tensor, Tensor]:
    theta = noise(5, 3, 4, purpose="theta")
    system = ResidualControl(depth=5, horizon=1.5, decay=0.2).system(theta)
    return system, noise(BATCH, 3), noise(BATCH, 3, purpose="y")


CASES = {"conv": conv_case, "smooth": smooth_case}


def backprop(system: ControlledSystem, x: Tensor, y: Tensor) -> tuple[list[Tensor], list[dict[str, Tensor]]]:
    """∂J/∂x_t for every t and ∂J/∂θ_t by name, from one backward pass through the whole cost written out anew."""
    states = [x.clone().requires_grad_()]
    for stage in system.stages:
        states.append(stage(states[-1]))
    if y.is_floating_point():
        cost = ((states[-1] - y) ** 2).sum() / 2 / len(x)
    else:
        cost = cross_entropy(states[-1], y)
    for stage, decay in zip(system.stages, system.running, strict=True):
        cost = cost + decay * sum((p**2).sum() for p in stage.parameters()) / 2
    named = [dict(stage.named_parameters()) for stage in system.stages]
    flat = [p for part in named for p in part.values()]
    grads = torch.autograd.grad(cost, states + flat)
    rest = iter(grads[len(states) :])
    return list(grads[: len(states)]), [{name: next(rest) for name in part} for part in named]


def worst(system: ControlledSystem, x: Tensor, y: Tensor) -> float:
    """Largest relative error of co-states and Hamiltonian gradients against minus the backprop gradients."""
    along = system.trajectory(x, y)
    inputs, weights = backprop(system, x, y)
    errors = [error(p, -g) for p, g in zip(along.costates, inputs, strict=True)]
    for t, expected in enumerate(weights):
        found = system.gradient(t, along.states[t], along.costates[t + 1])
        assert found.keys() == expected.keys()
        errors += [error(found[name], -expected[name]) for name in found]
    return max(errors)


@pytest.mark.parametrize("name", CASES)
def test_costate_recursion_and_hamiltonian_gradient_are_backprop(name: str) -> None:
    assert worst(*CASES[name]()) <= 1e-12


class WrongSign(ControlledSystem):
    def pull_back(self, t: int, x_t: Tensor, p_next: Tensor) -> Tensor:
        return -super().pull_back(t, x_t, p_next)


class Untransposed(ControlledSystem):
    def pull_back(self, t: int, x_t: Tensor, p_next: Tensor) -> Tensor:
        return torch.func.jvp(self.stages[t], (x_t,), (p_next,))[1].detach()


class NotDivided(ControlledSystem):
    def costates(self, states: tuple[Tensor, ...], y: Tensor) -> tuple[Tensor, ...]:
        return tuple(p * len(y) for p in super().costates(states, y))


@pytest.mark.parametrize("fault", [WrongSign, Untransposed, NotDivided])
def test_planted_faults_are_seen(fault: type[ControlledSystem]) -> None:
    system, x, y = smooth_case()
    assert worst(fault(system.stages, system.loss, system.running), x, y) > 0.1


@pytest.mark.parametrize("name", CASES)
def test_costate_is_minus_the_sensitivity_of_the_cost_to_its_state(name: str) -> None:
    system, x, y = CASES[name]()
    along = system.trajectory(x, y)
    for t in (1, 3, len(system)):
        tail = ControlledSystem(system.stages[t:], system.loss, system.running[t:]) if t < len(system) else None

        def cost(state: Tensor, tail: ControlledSystem | None = tail) -> Tensor:
            return system.losses(state, y).mean() if tail is None else tail.cost(state, y)

        v, e = noise(*along.states[t].shape, purpose="v"), 1e-5
        slope = (cost(along.states[t] + e * v) - cost(along.states[t] - e * v)) / (2 * e)
        assert slope.item() == pytest.approx(-(along.costates[t] * v).sum().item(), rel=1e-6)


@pytest.mark.parametrize("name", CASES)
def test_hamiltonian_gradient_against_finite_differences(name: str) -> None:
    system, x, y = CASES[name]()
    along = system.trajectory(x, y)
    for t in (0, len(system) - 1):
        x_t, p = along.states[t], along.costates[t + 1]
        slopes = system.gradient(t, x_t, p)
        for key, weight in system.stages[t].named_parameters():
            v, e = noise(*weight.shape, purpose=key), 1e-5
            ends = []
            for sign in (1, -1):
                weight.data += sign * e * v
                ends.append(system.hamiltonian(t, x_t, p).sum())
                weight.data -= sign * e * v
            slope = ((ends[0] - ends[1]) / (2 * e)).item()
            assert slope == pytest.approx((slopes[key] * v).sum().item(), rel=1e-6)


def test_hamiltonian_is_the_inner_product_minus_the_running_cost_of_each_sample() -> None:
    system, x, y = smooth_case()
    along = system.trajectory(x, y)
    h, decay = 0.3, 0.2
    theta = system.stages[2].theta.detach()
    after = along.states[2] + h * torch.cat((along.states[2].tanh(), torch.ones(BATCH, 1).double()), 1) @ theta.T
    expected = (along.costates[3] * after).sum(1) - h * decay / 2 * (theta**2).sum() / BATCH
    assert error(system.hamiltonian(2, along.states[2], along.costates[3]), expected) <= 1e-14
    assert system.hamiltonians(along).shape == (5, BATCH)
    assert error(system.hamiltonians(along)[2], expected) <= 1e-14


def test_running_cost_that_depends_on_the_state() -> None:
    plain, x, y = smooth_case()
    rule = lambda stage, x_t: (x_t**4).sum(1) + stage.theta.sum()  # noqa: E731
    system = ControlledSystem(plain.stages, half_square, rule)
    along = system.trajectory(x, y)
    start, states = x.clone().requires_grad_(), []
    state = start
    for stage in system.stages:
        states.append(state)
        state = stage(state)
    cost = half_square(state, y).mean() + sum((s**4).sum() / BATCH for s in states)
    cost = cost + sum(stage.theta.sum() for stage in system.stages)
    assert error(system.cost(x, y), cost) <= 1e-14
    assert error(along.costates[0], -torch.autograd.grad(cost, start)[0]) <= 1e-12


def test_costate_and_tangent_keep_their_inner_product() -> None:
    """Duality, ⟨p_t, v_t⟩ constant for v_{t+1} = (∂f_t/∂x) v_t, without running cost; per sample."""
    system, x, y = smooth_case()
    along = ControlledSystem(system.stages, half_square).trajectory(x, y)
    v, products = noise(BATCH, 3, purpose="v"), []
    for t, stage in enumerate(system.stages):
        products.append((along.costates[t] * v).sum(1))
        v = torch.func.jvp(stage, (along.states[t],), (v,))[1].detach()
    products.append((along.costates[-1] * v).sum(1))
    for product in products[1:]:
        assert error(product, products[0]) <= 1e-13


def drift(depth: int) -> float:
    """Range over t of Σ_i ⟨p_{t+1}, x_{t+1} - x_t⟩/h - R/B for equal stages on the horizon 1.5."""
    h = 1.5 / depth
    theta = noise(3, 4, purpose="theta")
    x, y = noise(BATCH, 3), noise(BATCH, 3, purpose="y")
    system = ControlledSystem([ResidualStep(theta, h)] * depth, half_square, 0.2 * h)
    along = system.trajectory(x, y)
    kept = [(p * state).sum() for p, state in zip(along.costates[1:], along.states[:-1], strict=True)]
    values = (system.hamiltonians(along).sum(1) - torch.stack(kept)) / h
    return (values.max() - values.min()).item()


def test_hamiltonian_is_constant_along_an_autonomous_flow_up_to_order_h() -> None:
    errors = torch.tensor([drift(depth) for depth in (40, 80, 160, 320)])
    orders = (errors[:-1] / errors[1:]).log2()
    assert errors[0] > 1e-3
    assert ((orders > 0.9) & (orders < 1.1)).all(), orders


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_first_inner_gradient_of_the_adversary_is_the_full_input_gradient(dtype: torch.dtype) -> None:
    model = SmallCNN(size=14, seed=1).to(dtype)
    x = torch.rand(BATCH, 1, 14, 14, generator=generator(0, "x")).to(dtype)
    eta = 0.1 * torch.rand(x.shape, generator=generator(0, "eta")).to(dtype)
    y = torch.arange(BATCH)
    system = control_view(model, "relu1", running=1e-3)
    found = system.adversary_gradient(x, eta, system.trajectory(x + eta, y).costates[1])
    moved = (x + eta).requires_grad_()
    total = torch.autograd.grad(cross_entropy(model(moved), y, reduction="sum"), moved)[0]
    assert found.dtype == dtype and total.abs().max() > 0
    assert error(found, -total / BATCH) < (1e-5 if dtype == torch.float32 else 1e-12)


def test_adversary_steps_against_the_gradient_lower_the_hamiltonian_and_raise_the_loss() -> None:
    system, x, y = smooth_case()
    along = system.trajectory(x, y)
    eta = -1e-3 * system.adversary_gradient(x, torch.zeros_like(x), along.costates[1]).sign()
    assert (system.hamiltonian(0, x + eta, along.costates[1]) < system.hamiltonian(0, x, along.costates[1])).all()
    assert (system.losses(system.states(x + eta)[-1], y) > system.losses(along.states[-1], y)).all()


def test_view_groups_the_first_layer_and_shares_parameters() -> None:
    model = SmallCNN(size=8, seed=1)
    system = control_view(model, "relu1")
    assert len(system) == len(model) - 1
    x, y = torch.rand(2, 1, 8, 8, generator=generator(0, "x")), torch.tensor([1, 2])
    along = system.trajectory(x, y)
    assert isinstance(along, Trajectory)
    assert torch.equal(along.states[-1], model(x)) and torch.equal(along.states[1], model[:2](x))
    assert system.gradient(0, x, along.costates[1]).keys() == {"conv1.weight", "conv1.bias"}
    assert not any(tensor.requires_grad for tensor in along.states + along.costates)
    model.conv1.weight.requires_grad_(False)
    assert system.gradient(0, x, along.costates[1]).keys() == {"conv1.bias"}


def test_batch_norm_and_dropout_in_train_mode_are_refused() -> None:
    model = WideResNet(10, 1, seed=0)
    before = model.norm.running_mean.clone()
    x, y = torch.rand(2, 3, 8, 8, generator=generator(0, "x")), torch.tensor([1, 2])
    system = control_view(model, "conv1")
    with pytest.raises(ValueError, match="eval mode, found BatchNorm2d of stage 1 in train mode"):
        system.trajectory(x, y)
    model.eval()
    system.trajectory(x, y)
    assert torch.equal(model.norm.running_mean, before)
    with pytest.raises(ValueError, match="Dropout of stage 0"):
        ControlledSystem([nn.Dropout(0.5)], half_square).states(x)


def test_bad_input_is_named() -> None:
    system, x, y = smooth_case()
    along = system.trajectory(x, y)
    with pytest.raises(ValueError, match="stages: expected at least one"):
        ControlledSystem([], half_square)
    with pytest.raises(TypeError, match="stages: expected modules, found builtin_function"):
        ControlledSystem([torch.relu], half_square)
    with pytest.raises(ValueError, match="running: expected one for each of 5 stages, found 2"):
        ControlledSystem(system.stages, half_square, [0.1, 0.2])
    with pytest.raises(ValueError, match="running: expected a number >= 0"):
        ControlledSystem(system.stages, half_square, -1.0)
    with pytest.raises(ValueError, match="running: expected shape"):
        ControlledSystem(system.stages, half_square, lambda stage, x_t: x_t).cost(x, y)
    with pytest.raises(ValueError, match="loss: expected shape"):
        ControlledSystem(system.stages, nn.MSELoss()).trajectory(x, y)
    with pytest.raises(ValueError, match="stage 0 changes it in place"):
        ControlledSystem([nn.ReLU(inplace=True)], half_square).states(x)
    with pytest.raises(ValueError, match="states: expected 6 tensors"):
        system.costates(along.states[:-1], y)
    with pytest.raises(ValueError, match="p_next: expected shape"):
        system.hamiltonian(0, x, along.costates[1][:2])
    with pytest.raises(ValueError, match="eta: expected shape"):
        system.adversary_gradient(x, x[:1], along.costates[1])
    with pytest.raises(TypeError, match="x: expected a floating-point tensor"):
        system.states(torch.ones(2, 3, dtype=torch.int64))
    with pytest.raises(ValueError, match="first_layer: expected one of 'conv1', 'relu1'"):
        control_view(SmallCNN(size=8), "layer_one")
    with pytest.raises(TypeError, match="model: expected an nn.Sequential"):
        control_view(nn.Linear(2, 2))


def regression() -> tuple[Tensor, Tensor]:
    x = torch.randn(32, 2, generator=generator(0, "try"), dtype=torch.float64)
    return x, torch.stack((torch.sin(2 * x[:, 0]), x[:, 0] * x[:, 1]), 1)


def test_maximiser_is_where_the_hamiltonian_is_flat_and_highest() -> None:
    problem, (x, y) = ResidualControl(4, 1.0, 0.3), regression()
    theta = 0.3 * noise(4, 2, 3, purpose="theta")
    along = problem.system(theta).trajectory(x, y)
    best = problem.maximiser(along)
    gap = successive_approximations(problem, x, y, 1, theta=theta).gaps[0]
    assert error(gap, problem.h * problem.decay / 2 * (best - theta).square().sum()) <= 1e-12
    system, scale = problem.system(best), best.norm() * problem.h * problem.decay
    for t in range(4):
        assert system.gradient(t, along.states[t], along.costates[t + 1])["theta"].norm() / scale <= 1e-14
    top = system.hamiltonians(along).sum(1)
    for trial in range(20):
        other = problem.system(best + 0.1 * noise(4, 2, 3, purpose=f"trial/{trial}"))
        assert (other.hamiltonians(along).sum(1) < top).all()


@pytest.mark.parametrize("rho", [0.5, 20.0])
def test_augmented_maximiser_is_where_the_augmented_hamiltonian_is_flat(rho: float) -> None:
    problem, (x, y) = ResidualControl(4, 1.0, 0.3), regression()
    theta = 0.3 * noise(4, 2, 3, purpose="theta")
    along = problem.system(theta).trajectory(x, y)
    found = augmented_maximiser(problem, theta, along, rho).requires_grad_()
    value = penalty = 0.0
    for t in range(4):
        state, p = along.states[t].clone().requires_grad_(), along.costates[t + 1]
        change = features(state) @ (found[t] - theta[t]).T
        pulled = torch.autograd.grad((len(x) * p * change).sum(), state, create_graph=True)[0]
        value = value + (p * (state + problem.h * features(state) @ found[t].T)).sum()
        value = value - problem.h * problem.decay / 2 * (found[t] ** 2).sum()
        penalty = penalty + problem.h * ((change**2).sum(1) + (pulled**2).sum(1)).mean()
    value = value - rho / 2 * penalty
    assert torch.autograd.grad(value, found)[0].norm() / (problem.h * found.norm()) <= 1e-13
    assert error(infeasibility(problem, (found - theta).detach(), along), penalty) <= 1e-13
    assert error(augmented_maximiser(problem, theta, along, 0.0), problem.maximiser(along)) <= 1e-13


def test_one_gradient_sweep_is_one_step_of_gradient_descent() -> None:
    problem, (x, y) = ResidualControl(6, 2.0, 0.3), regression()
    start = 0.3 * noise(6, 2, 3, purpose="theta")
    found = successive_approximations(problem, x, y, 3, rule="gradient", rate=0.2, theta=start).theta
    theta = start.clone()
    for sweep in range(3):
        theta.requires_grad_()
        state, cost = x, 0.0
        for t in range(6):
            state = state + problem.h * (state.tanh() @ theta[t, :, :2].T + theta[t, :, 2])
            cost = cost + problem.h * 0.15 * (theta[t] ** 2).sum()
        cost = cost + ((state - y) ** 2).sum() / 2 / len(x)
        theta = (theta - 0.2 * torch.autograd.grad(cost, theta)[0]).detach()
        assert error(found[sweep + 1], theta) <= 1e-12


def test_here_a_damped_sweep_is_a_gradient_step_of_rate_damping_over_h_decay() -> None:
    problem, (x, y) = ResidualControl(6, 2.0, 0.8), regression()
    damped = successive_approximations(problem, x, y, 5, damping=0.3)
    descent = successive_approximations(problem, x, y, 5, rule="gradient", rate=0.3 / (problem.h * 0.8))
    assert error(damped.theta, descent.theta) <= 1e-12


def test_basic_sweeps_depend_on_horizon_over_decay_alone() -> None:
    x, y = regression()
    short = successive_approximations(ResidualControl(10, 1.0, 0.4), x, y, 5)
    long = successive_approximations(ResidualControl(10, 3.0, 1.2), x, y, 5)
    assert error(long.costs, short.costs) <= 1e-12
    assert error(3 * long.theta[1:], short.theta[1:]) <= 1e-12


@pytest.mark.parametrize(("horizon", "decay"), [(1.0, 1.0), (1.0, 5.0), (3.0, 3.0)])
def test_basic_sweeps_converge_for_short_horizons_or_strong_decay(horizon: float, decay: float) -> None:
    x, y = regression()
    run = successive_approximations(ResidualControl(10, horizon, decay), x, y, 60)
    assert (run.costs.diff() <= 1e-12).all()
    assert run.gaps[-1] < 1e-5 * run.gaps[0]


def test_basic_sweeps_fail_on_long_horizons_where_damped_and_extended_ones_converge() -> None:
    x, y = regression()
    problem = ResidualControl(10, 3.0, 0.5)
    basic = successive_approximations(problem, x, y, 40)
    assert basic.costs.max() > 1e3 * basic.costs[0] and basic.costs[1:].min() > basic.costs[0]
    assert (basic.gains > 0).all()
    damped = successive_approximations(problem, x, y, 60, damping=0.1)
    extended = successive_approximations(problem, x, y, 60, rho=5.0)
    for run in (damped, extended):
        assert (run.costs.diff() <= 1e-12).all() and not run.diverged
        assert run.gaps[-1] < 1e-7 * run.gaps[0]
    assert extended.costs[-1].item() == pytest.approx(damped.costs[-1].item(), rel=1e-6)


def test_runaway_sweeps_stop_with_the_cost_that_shows_it() -> None:
    x, y = regression()
    run = successive_approximations(ResidualControl(10, 3.0, 1e-3), x, y, 200)
    assert run.diverged and len(run.costs) < 201 and run.costs[:-1].isfinite().all()
    assert len(run.theta) == len(run.costs) == len(run.gains) + 1


def test_cost_falls_by_the_hamiltonian_gain_up_to_the_infeasibility() -> None:
    """ΔJ = -gain + remainder; the remainder is of second order and bounded by C times the penalty (C < 2 here)."""
    x, y = regression()
    problem = ResidualControl(10, 3.0, 0.5)
    first = [successive_approximations(problem, x, y, 1, damping=a) for a in (0.04, 0.02, 0.01)]
    remainders = torch.stack([(run.costs.diff() + run.gains)[0] for run in first])
    gains = torch.stack([run.gains[0] for run in first])
    orders = [(column[:-1] / column[1:]).log2() for column in (remainders, gains)]
    assert ((orders[0] > 1.9) & (orders[0] < 2.1)).all() and ((orders[1] > 0.9) & (orders[1] < 1.1)).all()
    for kind in ({}, {"damping": 0.1}, {"rho": 5.0}, {"rule": "gradient", "rate": 0.2}):
        run = successive_approximations(problem, x, y, 20, **kind)
        assert (run.costs.diff() <= -run.gains + 2 * run.penalties + 1e-12).all()
    basic = successive_approximations(problem, x, y, 20)
    rises = basic.costs.diff() > 0
    assert rises.any() and (2 * basic.penalties > basic.gains)[rises].all()


def test_msa_input_is_checked() -> None:
    x, y = regression()
    problem = ResidualControl(2, 1.0, 1.0)
    for build, message in (
        (lambda: ResidualControl(0, 1.0, 1.0), "depth: expected a number >= 1"),
        (lambda: ResidualControl(2, 0.0, 1.0), "horizon"),
        (lambda: ResidualControl(2, 1.0, 0.0), "without a penalty H has no maximiser"),
        (lambda: problem.system(torch.zeros(3, 2, 3)), r"theta: expected shape \(2, d, d \+ 1\)"),
        (lambda: successive_approximations(problem, x, y, 1, rule="newton"), "rule: expected one of"),
        (lambda: successive_approximations(problem, x, y, 1, damping=1.5), "damping: expected a number <= 1"),
        (lambda: successive_approximations(problem, x, y[:3], 1), "y: expected shape"),
        (lambda: successive_approximations(problem, x, y * torch.inf, 1), "expected finite values"),
    ):
        with pytest.raises(ValueError, match=message):
            build()
