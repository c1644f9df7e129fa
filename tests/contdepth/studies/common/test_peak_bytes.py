"""The most bytes that tensors hold at one time, by hand."""

import torch

from contdepth.studies.common.peak_bytes import peak_bytes


def test_peaks_are_counted():
    """Two arrays that live together, then one; a graph that grows, and freed tensors that do not count."""

    def together():
        one, other = torch.zeros(1000, dtype=torch.float64), torch.ones(1000, dtype=torch.float64)
        del one, other
        return torch.zeros(500)

    assert peak_bytes(together) == 16000
    x = torch.ones(1000, dtype=torch.float64, requires_grad=True)

    def chain(count):
        y = x
        for _ in range(count):
            y = y.sin()
        return torch.autograd.grad(y.sum(), x)

    assert 20 * 8000 <= peak_bytes(lambda: chain(20)) <= 25 * 8000
    with torch.no_grad():
        assert peak_bytes(lambda: [x.sin() for _ in range(20)][-1:]) == 20 * 8000
        assert peak_bytes(lambda: [x.sin().sum().item() for _ in range(20)]) < 3 * 8000


def test_views_and_what_was_there_before_count_nothing():
    given = torch.ones(1000, dtype=torch.float64)

    def work():
        a = given + 1  # 8,000 bytes
        b = a * 2  # with a 16,000
        b.view(10, 100).add_(1)  # a view holds nothing
        del a
        c = b.repeat(3)  # b and c 32,000
        del b, c
        given.clone()

    assert peak_bytes(work) == 32_000
    assert peak_bytes(lambda: given[:10]) == 0
