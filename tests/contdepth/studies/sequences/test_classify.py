"""Tasks as they are told, PyTorch's nets against their equations, one trainer for all nets."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from contdepth.data import digits
from contdepth.recurrent import AntisymmetricCell, from_nan, padded
from contdepth.seeds import generator
from contdepth.studies.sequences import classify
from contdepth.studies.sequences.padded_digits import padded_digits, recall, taken
from contdepth.studies.sequences.readers import TorchReader

KINDS = ["lstm", "tanh", "orthogonal"]


def test_a_digit_comes_before_its_noise():
    task, other = padded_digits(0, noise=5), padded_digits(1, noise=5)
    pictures, labels = digits("train")
    assert task.train.series.values.shape == (1048, 13, 8)
    assert (len(task.validation), len(task.test), task.inputs) == (300, 449, 8)
    pixels = pictures.float()
    wanted = (pixels - pixels.mean()) / pixels.std()
    torch.testing.assert_close(task.train.series.values[:, :8], wanted[:1048, 0])
    torch.testing.assert_close(task.validation.series.values[:, :8], wanted[1048:, 0])
    assert torch.equal(task.train.labels, labels[:1048])
    rest = task.train.series.values[:, 8:]
    assert abs(float(rest.mean())) < 0.01 and abs(float(rest.std()) - 1) < 0.01
    assert torch.equal(task.test.series.values[:, :8], other.test.series.values[:, :8])
    assert not torch.equal(task.test.series.values[:, 8:], other.test.series.values[:, 8:])


def test_recall_is_answered_by_who_looks_at_the_first_row():
    task = recall(3, symbols=5, delay=7)
    for part in (task.train, task.validation, task.test):
        assert torch.equal(part.series.values[:, 0].argmax(1), part.labels)
        torch.testing.assert_close(part.series.values[:, 0].norm(dim=1), torch.full((len(part),), 5**0.5))
    assert abs(float(task.train.series.values[:, 1:].std()) - 1) < 0.02
    assert 15 < task.majority() < 30


@pytest.mark.parametrize("kind", KINDS)
def test_a_reader_ends_where_its_series_ends(kind):
    reader = TorchReader(kind, 2, 3, generator=generator(0, "w"))
    rows = [torch.randn(n, 2, generator=generator(n, "x")) for n in (4, 7, 1)]
    together = reader(padded(rows))
    for k, one in enumerate(rows):
        torch.testing.assert_close(together[k : k + 1], reader(padded([one])))


@pytest.mark.parametrize("kind", KINDS)
def test_a_reader_goes_on_from_its_whole_state(kind):
    reader = TorchReader(kind, 2, 3, generator=generator(0, "w"))
    x = torch.randn(4, 6, 2, generator=generator(0, "x"))
    state = reader.last_state(from_nan(x[:, :3]), torch.zeros(4, reader.states))
    torch.testing.assert_close(reader(from_nan(x[:, 3:]), state), reader(from_nan(x)))


def test_the_lstm_starts_with_its_forget_gate_open():
    reader = TorchReader("lstm", 2, 3, forget=2.5, generator=generator(0, "w"))
    state = torch.cat([torch.zeros(1, 3), torch.ones(1, 3)], dim=1)
    with torch.no_grad():
        for weights in (reader.net.weight_ih_l0, reader.net.weight_hh_l0):
            weights.zero_()
    kept = reader.last_state(from_nan(torch.zeros(1, 1, 2)), state)[0, 3:]
    torch.testing.assert_close(kept, torch.sigmoid(torch.full((3,), 2.5)))


def test_an_orthogonal_start_is_orthogonal():
    w = TorchReader("orthogonal", 2, 6, generator=generator(1, "w")).net.weight_hh_l0
    torch.testing.assert_close(w.T @ w, torch.eye(6))


def test_one_step_is_that_of_adam():
    def make(inputs, source):
        return AntisymmetricCell(inputs, 4, step=0.5, generator=source)

    task = recall(0, symbols=3, delay=1, sizes=(20, 10, 10))
    found = classify.fit(make, task, 0.05, [1], 7, batch=20, clip=1e9)
    source = generator(7, "sequences/weights")
    net = classify.Classifier(make(3, source), 3, source)
    before = {name: p.detach().clone() for name, p in net.named_parameters()}
    torch.nn.functional.cross_entropy(net(task.train.series), task.train.labels).backward()
    for (name, p), after in zip(net.named_parameters(), found.net.parameters(), strict=True):
        torch.testing.assert_close(after, before[name] - 0.05 * p.grad / (p.grad.abs() + 1e-8))


def test_rates_are_chosen_on_trial_seeds_for_each_stop():
    def make(inputs, source):
        return AntisymmetricCell(inputs, 8, step=0.5, generator=source)

    def task(seed):
        return recall(seed, symbols=3, delay=1, sizes=(60, 40, 40))

    rates, stops = [1e-5, 0.05], [1, 6]
    found = classify.compete({"a": make}, task, rates, stops, [0, 1], [9], batch=20)["a"]
    trials = [classify.fit(make, task(9), r, stops, 9, batch=20) for r in rates]
    np.testing.assert_allclose(found.validation, [one.validation for one in trials])
    assert found.rates == [rates[k] for k in found.validation.argmax(0)]
    for k, (rate, stop) in enumerate(zip(found.rates, stops, strict=True)):
        for j, seed in enumerate((0, 1)):
            again = classify.fit(make, task(seed), rate, [stop], seed, batch=20)
            assert found.accuracy[k, j] == again.test[0] == classify.accuracy(again.net, task(seed).test)
    assert found.accuracy[1].mean() > 90 and found.parameters == 28 + 24 + 8 + 27
    with pytest.raises(ValueError, match="trial_seeds"):
        classify.compete({"a": make}, task, rates, stops, [0], [0])


def test_parts_are_taken_with_their_labels():
    part = recall(0, symbols=3, delay=2, sizes=(9, 1, 1)).train
    some = taken(part, torch.tensor([4, 2]))
    assert torch.equal(some.series.values, part.series.values[[4, 2]]) and torch.equal(
        some.labels, part.labels[[4, 2]]
    )
