"""Points of rest by SciPy, implicit derivatives by differences, gradients along rows, tasks and work by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.optimize import root
from torch import Tensor

from contdepth.recurrent import EquilibriumCell, Recurrence, from_nan, padded
from contdepth.seeds import generator
from contdepth.studies.sequences.classify import Classifier, Trained
from contdepth.studies.sequences.equilibrium import contest, gradients, tasks
from contdepth.studies.sequences.equilibrium.gradients import along, left, rms, singular
from contdepth.studies.sequences.equilibrium.settled import Settled, equilibrium
from contdepth.studies.sequences.readers import TorchReader


def cell(inner: int, hidden: int = 5, inputs: int = 3, **more: float) -> EquilibriumCell:
    return EquilibriumCell(inputs, hidden, inner=inner, generator=generator(0, "cell"), **more)


def rows(*shape: int, stream: str = "rows") -> Tensor:
    return torch.randn(*shape, generator=generator(1, stream), dtype=torch.float64)


def test_the_point_of_rest_is_scipys() -> None:
    made, x = cell(1, decay=0.8), rows(4, 3)
    u, w, b = (one.detach().double().numpy() for one in (made.u, made.w, made.b))
    for one, found in zip(x.numpy(), equilibrium(made, x).numpy(), strict=True):
        wanted = root(lambda f, one=one: np.tanh(u @ f + w @ one + b) - 0.8 * f, np.zeros(5), tol=1e-13).x
        np.testing.assert_allclose(found, wanted, atol=1e-10)


def test_newtons_method_is_there_in_a_few_steps() -> None:
    assert not equilibrium(cell(1, decay=0.6, spread=0.25), rows(20, 3), steps=6).isnan().any()


def test_rows_that_do_not_rest_are_nan() -> None:
    assert equilibrium(cell(1), rows(2, 3), steps=0).isnan().all()


def test_of_two_points_of_rest_the_one_is_found_where_the_cell_goes() -> None:
    made = cell(1, hidden=1).double()
    made.u, made.w = torch.nn.Parameter(torch.tensor([[2.0]])), torch.nn.Parameter(torch.zeros(1, 3))
    before = torch.tensor([[0.3], [-0.3]], dtype=torch.float64)
    found = equilibrium(made, rows(2, 3), before)
    assert found[0] == pytest.approx(-found[1]) and np.tanh(2 * float(found[0])) == pytest.approx(float(found[0]))
    assert float(found[0]) > 0.9


def test_at_rest_the_state_is_an_alternating_sum() -> None:
    made, x = cell(150).double(), rows(2, 6, 3)
    by_steps = Recurrence(made)(from_nan(x))[:, -1]
    at_rest = equilibrium(made, x.reshape(12, 3)).reshape(2, 6, 5)
    wanted = sum((-1) ** (5 - k) * at_rest[:, k] for k in range(6))
    torch.testing.assert_close(by_steps, wanted, rtol=0, atol=1e-10)
    torch.testing.assert_close(Settled(made, tolerance=1e-13, most=500)(from_nan(x)), wanted, rtol=0, atol=1e-10)


def test_a_net_with_a_large_matrix_rests_too_as_its_matrix_is_scaled() -> None:
    made, x = cell(1, spread=4.0, decay=0.7).double(), rows(2, 6, 3)
    net = Settled(made, tolerance=1e-12, most=400)
    assert float(torch.linalg.matrix_norm(net.matrix().detach(), 2)) == pytest.approx(0.63)
    found = net.rest(x).detach()
    left_over = torch.tanh(found @ net.matrix().mT + x @ made.w.mT + made.b) - 0.7 * found
    assert float(left_over.detach().abs().max()) < 1e-10
    small = Settled(cell(1, spread=0.1).double())
    assert torch.equal(small.matrix(), small.cell.u)


def test_a_padded_series_rests_where_it_does_alone() -> None:
    made, x = cell(1).double(), rows(5, 3)
    both = Settled(made)(padded([x, x[:4]]))
    torch.testing.assert_close(both[1], Settled(made)(from_nan(x[None, :4]))[0])


@pytest.mark.parametrize("spread", [0.4, 2.0])
def test_the_implicit_derivative_is_that_of_finite_differences(spread: float) -> None:
    made, x = cell(1, hidden=3, decay=1.2, spread=spread).double(), rows(1, 4, 3)
    net = Settled(made, tolerance=1e-14, most=500)
    names, values = zip(*((k, v) for k, v in net.named_parameters() if v.requires_grad), strict=True)

    def call(*new: Tensor) -> Tensor:
        return torch.func.functional_call(net, dict(zip(names, new, strict=True)), (from_nan(x),))

    assert torch.autograd.gradcheck(call, values, eps=1e-5, atol=1e-7, rtol=1e-5, check_undefined_grad=False)


def ended(reader: EquilibriumCell | TorchReader, x: Tensor, h: Tensor) -> Tensor:
    if isinstance(reader, TorchReader):
        return reader.last_state(from_nan(x[None]), h[None])[0]
    return Recurrence(reader)(from_nan(x[None]), h[None])[0, -1]


@pytest.mark.parametrize("kind", ["3", "tanh", "lstm"])
def test_the_gradient_along_rows_is_that_of_differences(kind: str) -> None:
    source = generator(0, "weights")
    reader = cell(3).double() if kind == "3" else TorchReader(kind, 3, 4, generator=source).double()
    x, size = rows(6, 3), 5 if kind == "3" else reader.states
    found = along(reader, x)
    assert len(found) == 6
    step, start = 1e-6, torch.zeros(size, dtype=torch.float64)
    for j, unit in enumerate(torch.eye(size, dtype=torch.float64)):
        slope = (ended(reader, x, start + step * unit) - ended(reader, x, start - step * unit)) / (2 * step)
        torch.testing.assert_close(found[-1][:, j], slope.detach(), rtol=1e-5, atol=1e-8)


def test_untrained_cells_by_many_steps_and_after_an_exchange() -> None:
    assert gradients.off_the_sum(0, 6) < 1e-9 < gradients.off_the_sum(0, 6, inner=3)
    near, far = (gradients.moved_by_exchange(*gradients.case(k, 0, 8)) for k in (40, 2))
    assert near < 1e-5 and far > 0.05
    top, low, mean = gradients.ends(gradients.fresh(60, 1), gradients.noise_rows(1, 5)[0])
    assert low < 1 < top and max(top - 1, 1 - low, abs(mean - 1)) < 1e-5
    curve = gradients.curves({"1": cell(1, inputs=8)}, 3, 0)["1"]
    assert len(curve) == 3 and curve[2] < curve[0] < 1
    shares = gradients.way(cell(2), rows(2, 3, 3))
    assert len(shares) == 3 and shares[0] == pytest.approx(1) and shares[2] < shares[1] < 1


def test_a_net_begins_as_it_is_given() -> None:
    """With a rate that changes nothing, a trained net is the one that ``begun`` returns."""
    short = tasks.first_of_two(0, rows=4, sizes=(4, 2, 2))
    net = contest.races({"3": 1e-30}, lambda _: short, [1], [5])["3"][0].net
    torch.testing.assert_close(net.reader.u, contest.begun("3", 2, 5).u)
    assert set(contest.RATES["digits"].values()) <= set(contest.TRIED)


def test_norms_of_a_diagonal_by_hand() -> None:
    matrix = torch.diag(torch.tensor([3.0, -4.0]))
    assert rms(matrix) == pytest.approx(np.sqrt(12.5)) and singular(matrix) == (4.0, 3.0)


def test_what_is_left_of_the_way_without_coupling() -> None:
    """U = 0: every inner step of size η leaves the share 1 - ηα of the way."""
    made, x = cell(4, spread=0.0, size=0.5, decay=0.6), rows(2, 3, 3)
    for inner, found in enumerate(gradients.shares(made, x)):
        np.testing.assert_allclose(found, 0.7**inner, rtol=1e-6)
    np.testing.assert_allclose(left(made, x), 0.7**4, rtol=1e-6)


def test_the_last_share_is_that_of_the_cells_own_state() -> None:
    made, x = cell(3).double(), rows(2, 1, 3)
    rest = equilibrium(made, x[:, 0])
    wanted = torch.linalg.vector_norm(made(x[:, 0], torch.zeros(2, 5).double()) - rest, dim=1)
    np.testing.assert_allclose(left(made, x)[:, 0], (wanted / torch.linalg.vector_norm(rest, dim=1)).detach())


def test_what_the_exercise_says() -> None:
    assert contest.products("4", 8) < contest.products("LSTM", 8) < contest.products("5", 8)
    equal = rows(1, 3).expand(1, 6, 3).clone()
    net = Settled(cell(1).double())
    assert float(net(from_nan(equal)).detach().abs().max()) < 1e-12
    torch.testing.assert_close(net(from_nan(equal[:, :5])), net(from_nan(equal[:, :1])))


def test_two_symbols_stand_at_places_of_one_parity_in_the_order_of_the_label() -> None:
    one = tasks.first_of_two(3, rows=8, sizes=(40, 5, 5)).train
    values = one.series.values
    assert values.sum() == 80 and (values.sum(1) == 1).all()
    first, second = values[:, :, 0].argmax(1), values[:, :, 1].argmax(1)
    assert ((second - first) % 2 == 0).all() and torch.equal((second < first).long(), one.labels)
    assert {0, 1} == set(one.labels.tolist()) == set((first % 2).tolist())
    with pytest.raises(ValueError, match="even"):
        tasks.first_of_two(0, rows=7)


def test_at_rest_nobody_can_tell_which_came_first() -> None:
    task = tasks.first_of_two(0, rows=8, sizes=(30, 5, 5)).train
    swapped = from_nan(task.series.values.flip(2))  # exchanges the two symbols, and with them the label
    net = Settled(cell(1, hidden=4))
    net.cell.w = torch.nn.Parameter(torch.randn(4, 2, generator=generator(0, "w")))
    torch.testing.assert_close(net(task.series), net(swapped), atol=2e-6, rtol=1e-5)
    assert not torch.allclose(
        TorchReader("tanh", 2, 4, generator=generator(0, "t"))(task.series)[0],
        TorchReader("tanh", 2, 4, generator=generator(0, "t"))(swapped)[0],
    )


def test_rows_change_places_within_their_parity() -> None:
    x = rows(2, 7, 3)
    moved = tasks.exchanged(from_nan(x), generator(0, "moves")).values
    assert not torch.equal(moved, x)
    for odd in (0, 1):
        assert torch.equal(moved[0, odd::2].sort(0).values, x[0, odd::2].sort(0).values)


def test_products_and_work_by_hand() -> None:
    found = [contest.products(name, 8, 32) for name in ("1", "3", "RNN", "LSTM")]
    assert found == [1280, 3328, 1280, 5120]
    with pytest.raises(ValueError, match="evaluations"):
        contest.products("rest", 8)

    def runs(*rows: list[float]) -> list[Trained]:
        return [Trained(None, np.array(row), np.array(row), 0.0) for row in rows]  # type: ignore[arg-type]

    ratio = contest.work_ratio(runs([10, 40, 50], [10, 12, 14]), runs([9, 20, 30], [9, 20, 30]), [2, 4, 6], (2, 3))
    np.testing.assert_allclose(ratio, [6 * 3 / (4 * 2), 0.0])


def test_nets_by_name_learn_a_short_task() -> None:
    rates = {"1": 0.03, "rest": 0.03, "RNN": 0.03}
    found = contest.races(rates, lambda s: tasks.first_of_two(s, rows=4, sizes=(60, 20, 60)), [12], [0])
    reached = contest.last(found)
    assert reached["1"][0] > 95 and reached["rest"][0] < 75
    assert all(isinstance(runs[0].net, Classifier) for runs in found.values())
    assert (
        contest.choose(["1"], lambda s: tasks.first_of_two(s, rows=4, sizes=(10, 5, 5)), 1, [3])["1"]
        in contest.TRIED
    )
