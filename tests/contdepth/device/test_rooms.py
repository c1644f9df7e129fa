"""What the doors' arguments do not reach: every scheme, trainings, restorers and estimators on a device."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from device.conftest import Device
from device.moving import leaves
from device.test_mixture import compare
from fuzz import doors_light, doors_meanfield, doors_pde, doors_restoration, doors_robust
from torch import Tensor, nn

from contdepth import devices, meanfield, nets, pde, problems, restoration, robust, schemes, seeds, training
from contdepth.meanfield.density import WindowedDensity
from contdepth.pde import peers, simulate
from contdepth.pde.filters.stencil import apply_stencil
from contdepth.restoration.metrics import ssim
from contdepth.restoration.stopping.bank import make_bank
from contdepth.restoration.stopping.dqn import train_dqn
from contdepth.restoration.stopping.learning_to_stop import StopPlan, train_stopping
from contdepth.restoration.stopping.maps import stopping_map

Case = Callable[[torch.device], Any]
CPU = torch.device("cpu")


def states(where: torch.device) -> Tensor:
    return doors_light.doubles(3, 2).to(where)


def grid(where: torch.device) -> Tensor:
    return torch.linspace(0, 1, 5, dtype=torch.float64, device=where)


def field(t: Tensor, u: Tensor) -> Tensor:
    return torch.sin(u) - u * t


def run(scheme: schemes.Scheme, f: Any = field) -> Case:
    """A scheme over a grid, with a generator of the CPU where it is random, and the gradient in the start."""

    def case(where: torch.device) -> Any:
        u0 = states(where).requires_grad_()
        more = {"generator": seeds.generator(0, "device")} if getattr(scheme, "random", False) else {}
        end = schemes.integrate(f, u0, grid(where), scheme, keep="last", **more)
        return end, *torch.autograd.grad(end.square().sum(), u0)

    return case


def batch_of_starts(where: torch.device) -> Tensor:
    scheme = schemes.RungeKutta(schemes.RK4)
    return torch.func.vmap(lambda u: schemes.integrate(field, u, grid(where), scheme, keep="last"))(states(where))


PAIR = ((lambda t, v: torch.sin(v)), (lambda t, u: -u))
SCHEMES: dict[str, Case] = {
    "backward Euler": run(schemes.BackwardEuler()),
    "forward Euler": run(schemes.ForwardEuler()),
    "two steps": run(schemes.LinearTwoStep(0.1)),
    "PolyNet": run(schemes.PolyNet(2)),
    "nested PolyNet": run(schemes.NestedPolyNet(2)),
    "FractalNet": run(schemes.FractalBlock()),
    "RevNet": run(schemes.RevNet(), PAIR),
    "stochastic depth": run(schemes.StochasticDepth()),
    "stochastic two steps": run(schemes.StochasticTwoStep(0.1)),
    "Shake-Shake": run(schemes.ShakeShake(), (field, lambda t, u: -u)),
    "vmap": batch_of_starts,
    "reduced field": lambda where: schemes.reduced_field(field, 0.1, 0.1)(grid(where)[1], states(where)),
    "amplification": lambda where: [
        schemes.amplification(scheme, states(where))
        for scheme in (schemes.BackwardEuler(), schemes.LinearTwoStep(0.1), schemes.ForwardEuler())
    ],
}


def problem(kind: Any, **options: Any) -> Case:
    def case(where: torch.device) -> Any:
        one = kind(**options, device=where)
        return one.u0, one.f(grid(where)[0], one.u0), one.solution(grid(where)), one.solution(0.5)

    return case


PROBLEMS: dict[str, Case] = {
    "pendulum": problem(problems.Pendulum),
    "time": problem(problems.TimeDependent),
    "linear": problem(problems.LinearSystem),
    "quadratic": problem(problems.Quadratic, kappa=10.0),
}


def density(where: torch.device, **more: Any) -> meanfield.GaussianDensity:
    return meanfield.GaussianDensity(
        doors_meanfield.block(), 0.1 * doors_light.doubles(5).to(where), 0.5, 16, **more
    )


def law_of_functions(where: torch.device) -> Any:
    slope = doors_light.doubles(5).to(where)
    law = meanfield.GaussianDensity(
        doors_meanfield.block(),
        lambda t: slope * t[..., None],
        lambda t: 0.5 + 0 * slope * t[..., None],
        nodes=16,
        device=where,
    )
    source = seeds.generator(0, "device")
    return law.sample(4, source, "stratified"), law.drift(states(where), grid(where)[1])


def shuffled_flow(where: torch.device) -> Tensor:
    w2, w1 = doors_light.doubles(2, 2).to(where), doors_light.doubles(2).to(where)
    flow = meanfield.MeanFieldODE(WindowedDensity(density(where), 3), w2, w1, tolerance=1e-4)
    return flow(doors_light.doubles(4, 2).to(where))


def mean_field_training(where: torch.device) -> Any:
    net = meanfield.small_net(weighting="gaps", device=where)
    ensemble = meanfield.Ensemble.draw(net, (2, 4), (0, 1), random_times=True)
    done = meanfield.train(net, ensemble, *meanfield.waves(6, device=where), steps=3, rate=0.01, train_times=True)
    return done.ensemble, done.losses, done.reordered


MEANFIELD: dict[str, Case] = {
    "law of functions": law_of_functions,
    "shuffled flow": shuffled_flow,
    "training": mean_field_training,
}


def classifier(where: torch.device) -> nn.Module:
    return doors_robust.classifier().to(where)


def audited(where: torch.device) -> Any:
    x, y = (part.to(where) for part in doors_robust.batch().values())
    effort = robust.Effort(3, 1, 3, 3, 3) if hasattr(robust, "Effort") else "quick"
    found = robust.audit(
        classifier(where), x, y, doors_robust.threat(), budget=effort, source=seeds.generator(0, "a")
    )
    return found.accuracy if hasattr(found, "accuracy") else found


def ascents(where: torch.device) -> Any:
    x, y = (part.to(where) for part in doors_robust.batch().values())
    settings = {"steps": 2, "inner_steps": 2, "step_size": 0.02}
    delta = doors_robust.delta().to(where)
    return robust.compare_ascents(classifier(where), "0", x, y, delta, doors_robust.threat(), **settings)


def fitted(**changes: Any) -> Case:
    """A training with crops, dropout off the path of the images, and a test at its end."""

    def case(where: torch.device) -> Any:
        model = nets.SmallCNN(1, 8, (2, 2, 3, 3), 4, 3, seed=0)
        images, labels = doors_light.singles(8, 1, 8, 8), doors_light.labels(8)
        recipe = training.Recipe("short", epochs=2, batch=4, lr=0.01, pad=1, flip=True, **changes)
        done = training.fit(
            model, (images, labels), (images, labels), recipe, seed=0, device=where, progress=False
        )
        return list(model.parameters()), {key: row for key, row in done.history.items() if "seconds" not in key}

    return case


def continued(where: torch.device) -> Any:
    """A training that stops after an epoch and goes on from its file."""
    path = Path("run.pt")
    path.unlink(missing_ok=True)
    model, data, recipe = doors_light.line(), doors_light.pictures(), doors_light.short()

    def stop(step: int, loss: float) -> None:
        if step == 1:
            raise KeyboardInterrupt

    options = {"seed": 0, "device": where, "progress": False, "checkpoint": path, "every": 1}
    with pytest.raises(KeyboardInterrupt):
        training.fit(model, data, data, recipe, on_step=stop, **options)
    model = doors_light.line()
    training.fit(model, data, data, recipe, **options)
    return list(model.parameters())


def adversarial(where: torch.device) -> Any:
    method = robust.TRADESYOPO(**doors_robust.steps(first_layer="0", inner_steps=2, weight=1.0))
    method.model.to(where)
    recipe = training.Recipe("short", epochs=1, batch=2, lr=0.01, pad=1)
    x, y = doors_robust.batch().values()
    done = robust.train(method, (x, y), recipe, seed=0, steps=2, progress=False)
    return list(method.model.parameters()), done.losses


TRAINING: dict[str, Case] = {
    "audit": audited,
    "ascents": ascents,
    "fit": fitted(),
    "fit, channels last": fitted(channels_last=True),
    "fit, float64": fitted(precision="fp64"),
    "fit, continued": continued,
    "adversarial": adversarial,
}


def bank(where: torch.device) -> Any:
    return make_bank(restoration.make_unit(restoration.UnitShape(width=2), 0).eval().to(where), small_bank())


def small_bank(**more: Any) -> restoration.BankPlan:
    options = {"low": 25.0, "high": 55.0, "episodes": 3, "steps": 2, "patch": 16, "data": "photos", "seed": 0}
    return restoration.BankPlan(degradation="gaussian", **options | more)


def q_learning(where: torch.device) -> Any:
    policy = restoration.make_policy(3, 0, width=1).to(where)
    plan = restoration.DQNPlan(
        updates=3, batch=4, capacity=10, warm_up=5, actions=2, target_every=1, precision="fp32"
    )
    train_dqn(policy, doors_restoration.bank().to(where), plan)
    return list(policy.parameters())


def learnt_to_stop(where: torch.device) -> Any:
    policy = restoration.make_policy(3, 0, width=1).to(where)
    history = train_stopping(
        policy, doors_restoration.bank().to(where), StopPlan(updates=3, episodes=2, precision="fp32")
    )
    return list(policy.parameters()), history


def restorer(**options: Any) -> Case:
    """A restorer on a noisy picture: what it looks for is looked for, and there is a curve."""

    def case(where: torch.device) -> Any:
        policy = restoration.make_policy(3, 0, width=1).to(where)
        unit = restoration.make_unit(restoration.UnitShape(width=2), 0).to(where)
        side = (40, 40, 3) if options.get("luma") else (40, 40)
        clean = doors_restoration.pixels(*side)
        noisy = clean + np.random.default_rng(0).normal(0, 9, side).clip(-40, 40).astype(np.int64)
        noisy = noisy.clip(0, 255).astype(np.uint8)
        found = restoration.DURR(unit, policy, **options).restore(noisy, reference=clean)
        return torch.as_tensor(found.image).to(where), found.values, found.psnr, found.damage

    return case


def windows_that_stop(where: torch.device) -> Any:
    policy = restoration.make_policy(3, 0, width=1).eval().to(where)
    y = doors_light.singles(1, 1, 20, 24).to(where)
    frames = torch.cat([y, 0.9 * y, 0.8 * y])
    return restoration.compose(frames, stopping_map(policy, frames, y, patch=8))


RESTORATION: dict[str, Case] = {
    "bank": bank,
    "q-learning": q_learning,
    "learning to stop": learnt_to_stop,
    "restorer": restorer(),
    "restorer that looks for noise": restorer(looks_for="noise"),
    "restorer that looks for blocks": restorer(looks_for="blocks", luma=True),
    "windows": windows_that_stop,
    "similarity": lambda where: ssim(doors_restoration.grey().to(where), doors_restoration.grey().to(where) ** 2),
    "drawn loops": lambda where: restoration.LoopSchedule((1,), 3).draw(
        torch.zeros(4, dtype=torch.int64, device=where), seeds.generator(0, "device")
    ),
}


def plane() -> np.ndarray:
    """A wave that decays and moves on a square, (8, 8, time)."""
    x, y = np.meshgrid(*[2 * np.pi / 8 * np.arange(8)] * 2, indexing="ij")
    return np.stack([np.exp(-0.1 * t) * np.sin(x - t) * np.cos(y) for t in 0.01 * np.arange(6)], -1)


def estimated(make: Callable[..., pde.Estimator], u: Callable[[], np.ndarray], *uses: str) -> Case:
    """An estimator fitted to arrays and used on arrays, on trajectories and on tensors of the device."""

    def case(where: torch.device) -> Any:
        spacing = 2 * np.pi / u().shape[0]
        settings = {"dt": 0.01, "dx": (spacing,) * (u().ndim - 1)}
        model = make(device=where).fit(u(), **settings)
        data = pde.trajectories(u(), **settings)
        found = [model.predict(u()), model.simulate(u()[..., 0], 2), model.score(u(), dt=0.01)]
        found += [torch.as_tensor(getattr(model, use)()).to(where) for use in uses]
        tensors = [model.predict(data.to(where)), model.rollout(data.values[:, 0].to(where), 2)]
        tensors += [value for value in vars(model).values() if isinstance(value, nn.Module)]
        again = make(device=where).fit(data.to(where))
        return found, tensors, [value for value in vars(again).values() if isinstance(value, nn.Module)]

    return case


def several(device: torch.device) -> pde.Ensemble:
    return pde.Ensemble(pde.PDENet2(hidden=1, blocks=(1,), iterations=2, device=device), seeds=(0, 1))


def quick(**options: Any) -> Callable[..., pde.PDENet2]:
    return lambda device: pde.PDENet2(hidden=1, blocks=(1, 2), iterations=2, device=device, **options)


def first(**options: Any) -> Callable[..., pde.PDENet]:
    return lambda device: pde.PDENet(
        size=5, order=2, blocks=(1, 2), iterations=2, batch=3, device=device, **options
    )


def flat(device: torch.device) -> pde.Estimator:
    return peers.PlainCNN(layers=2, width=2, size=3, blocks=1, iterations=2, device=device)


def reference_solution(method: str) -> Case:
    def case(where: torch.device) -> Tensor:
        u0 = simulate.random_fourier(2, 16, dim=1, fields=1, seed=0, device=where)
        return simulate.solve(simulate.kuramoto_sivashinsky(), u0, [0.0, 0.01, 0.02], method=method, rtol=1e-4)

    return case


def variable_weights(where: torch.device) -> Any:
    stencil = doors_light.doubles(9, 8, 8).to(where).requires_grad_()
    u = doors_light.doubles(2, 8, 8).to(where)
    out = apply_stencil(stencil, u)
    return out, *torch.autograd.grad(out.square().sum(), stencil)


def data_set(make: Callable[..., Tensor], **options: Any) -> Case:
    return lambda where: make(2, 2, grid=8, seed=0, noise=0.01, device=where, **options)


PDE: dict[str, Case] = {
    "PDE-Net 2.0": estimated(quick(), doors_pde.waves),
    "PDE-Net 2.0, Adam, midpoint": estimated(quick(optimiser="adam", scheme="midpoint"), doors_pde.waves),
    "PDE-Net 2.0 on a plane": estimated(quick(relative=False), plane),
    "PDE-Net, constants": estimated(first(coefficients="constant", jitter=0.01), doors_pde.waves),
    "PDE-Net, fields": estimated(first(mesh=2), plane),
    "PDE-Net, fields and a source": estimated(first(mesh=2, source={"cells": 4}, zero_order=True), plane),
    "several seeds": estimated(several, doors_pde.waves),
    "plain CNN": estimated(flat, doors_pde.waves),
    "DOP853": reference_solution("dop853"),
    "ETDRK4": reference_solution("etdrk4"),
    "weights that vary": variable_weights,
    "Burgers, upwind": data_set(simulate.burgers_data, fine=16, late_time=0.01, max_step=0.005),
    "Burgers, spectral": data_set(simulate.burgers_data, fine=16, late_time=0.01, generator="spectral"),
    "variable coefficients": data_set(simulate.convection_diffusion_data, fine=16),
}

CASES = {
    f"{room}: {name}": case
    for room, cases in (
        ("schemes", SCHEMES),
        ("problems", PROBLEMS),
        ("mean field", MEANFIELD),
        ("training", TRAINING),
        ("restoration", RESTORATION),
        ("pde", PDE),
    )
    for name, case in cases.items()
}


def called(case: Case, where: torch.device) -> dict[str, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.manual_seed(0)
        return dict(leaves(case(where)))


@pytest.mark.parametrize("name", CASES)
def test_a_device_gives_the_numbers_of_the_cpu(
    name: str, device: Device, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found, wanted = called(CASES[name], device.device), called(CASES[name], CPU)
    assert found.keys() == wanted.keys()
    for path, value in found.items():
        if isinstance(value, Tensor):
            assert value.device.type == device.device.type, f"{path} is on {value.device}"
        compare(path, value, wanted[path], device)


MIXED: dict[str, tuple[Callable[[torch.device], Any], str]] = {
    "maps of a net": (
        lambda where: meanfield.MeanFieldNet(
            doors_meanfield.block(), doors_light.doubles(2, 2).to(where), doors_light.doubles(2)
        ),
        "w1: expected a tensor on",
    ),
    "inputs of a net": (
        lambda where: meanfield.small_net(dimension=2, device=where)(
            doors_meanfield.particles(), doors_light.doubles(4, 2)
        ),
        "x: expected a tensor on",
    ),
    "particles": (
        lambda where: meanfield.Particles(doors_light.doubles(3, 5).to(where), doors_light.doubles(3).abs()),
        "t: expected a tensor on",
    ),
    "images and labels": (
        lambda where: robust.PGD(doors_robust.threat(), 1).perturb(
            classifier(where),
            doors_robust.batch()["x"].to(where),
            doors_robust.batch()["y"],
            seeds.generator(0, "device"),
        ),
        "y: expected a tensor on",
    ),
}


@pytest.mark.parametrize("name", MIXED)
def test_tensors_of_two_devices_are_named(name: str, device: Device) -> None:
    call, said = MIXED[name]
    with pytest.raises(ValueError, match=said):
        call(device.device)


def test_a_device_that_is_not_there_is_named() -> None:
    for call in (
        lambda: devices.named("device", "xpu"),
        lambda: seeds.generator(0, "device", "xpu"),
        lambda: pde.PDENet2(device="xpu"),
        lambda: restoration.DURR.load(device="xpu"),
        lambda: training.fit(*[None] * 0, **{**doors_light.TRAINING["training.fit"](), "device": "xpu"}),
    ):
        with pytest.raises(ValueError, match="device: expected a device of this machine, found "):
            call()
    with pytest.raises(TypeError, match="device: expected a device such as 'cpu', found int"):
        devices.named("device", 3)


def test_an_estimator_keeps_the_device_that_it_was_given() -> None:
    where = torch.device("cpu")
    assert pde.PDENet2(device=where).get_params()["device"] is where
    assert pde.PDENet(device=where).get_params()["device"] is where
    assert peers.PlainCNN(device=where).get_params()["device"] is where
