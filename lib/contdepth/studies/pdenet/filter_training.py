"""Training filters alone: a task with known derivatives, and the projected moments of the PDE-Net codes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from scipy.optimize import OptimizeResult, minimize
from torch import Tensor, nn

from contdepth import checks
from contdepth.pde.filters.constrained import correlate
from contdepth.pde.filters.moments import (
    derivatives,
    filter_from_moments,
    finite_difference,
    fixed_moments,
    moment_matrix,
)
from contdepth.pde.simulate.initial import random_fourier
from contdepth.seeds import generator
from contdepth.studies.common.flat import flat_function

__all__ = ["FilterTask", "ProjectedMoments", "minimise_flat", "train_filters"]


class FilterTask:
    """Find filters on the unit grid that turn noisy fields into the exact derivatives of the clean ones.

    ``samples`` random Fourier series of frequency 4 on a periodic ``grid`` x ``grid`` square, Gaussian noise
    of ``noise`` times their standard deviation, derivatives up to ``order`` by FFT. Calling the task with
    filters (K, N, N) gives the mean over derivatives of the relative squared error.
    """

    def __init__(
        self, order: int = 2, samples: int = 4, grid: int = 24, noise: float = 0.02, seed: int = 0
    ) -> None:
        self.alphas = derivatives(order, 2)[1:]
        clean = random_fourier(samples, grid, seed=seed)
        wave = 2j * math.pi * torch.fft.fftfreq(grid, dtype=torch.float64)
        modes = torch.fft.fft2(clean)
        exact = [torch.fft.ifft2(modes * (wave[:, None] ** a * wave**b)).real for a, b in self.alphas]
        self.exact = torch.stack(exact, 2)
        draws = torch.randn(clean.shape, dtype=clean.dtype, generator=generator(seed, "filter task/noise"))
        self.fields = clean + noise * clean.std() * draws
        self.size = self.exact.square().mean((0, 1, 3, 4), keepdim=True)

    def __call__(self, filters: Tensor) -> Tensor:
        return ((correlate(self.fields, filters) - self.exact).square() / self.size).mean()


class ProjectedMoments(nn.Module):
    """Whole moment matrices as the parameter, kept on the constraint by projection, as in the papers' codes.

    ``filters()`` first resets the fixed moments; ``project_gradient()`` removes the gradient along them.
    ``gradient="order zero"`` removes it along M_00 alone: the code of PDE-Net 1 sums the number 0 where it
    means the derivative's orders, so that, at its accuracy 1, no other fixed moment is covered.
    """

    start: Tensor
    fixed: Tensor
    masked: Tensor

    def __init__(
        self, alphas: Sequence[tuple[int, ...]], size: int, accuracy: int = 1, gradient: str = "fixed"
    ) -> None:
        super().__init__()
        checks.one_of("gradient", gradient, ("fixed", "order zero"))
        start = torch.stack([moment_matrix(finite_difference(size, alpha)) for alpha in alphas])
        fixed = torch.stack([fixed_moments(size, alpha, accuracy) for alpha in alphas])
        self.register_buffer("start", start)
        self.register_buffer("fixed", fixed)
        masked = fixed.clone()
        if gradient == "order zero":
            masked[:] = False
            masked[:, 0, 0] = True
        self.register_buffer("masked", masked)
        self.value = nn.Parameter(start.clone())

    def filters(self) -> Tensor:
        """The filters (K, size, size) after the projection of the parameter."""
        with torch.no_grad():
            self.value[self.fixed] = self.start[self.fixed]
        return filter_from_moments(self.value, 2)

    def project_gradient(self) -> None:
        """Set the gradient to zero along the masked moments."""
        self.value.grad[self.masked] = 0  # type: ignore[index]


def train_filters(
    task: FilterTask,
    filters: Callable[[], Tensor],
    optimiser: torch.optim.Optimizer,
    steps: int,
    after: Callable[[], None] | None = None,
) -> tuple[float, float]:
    """Take ``steps`` steps on the filters that ``filters()`` builds; the loss before and after them.

    ``after`` is called behind each backward pass.
    """

    def closure() -> Tensor:
        optimiser.zero_grad()
        loss = task(filters())
        loss.backward()
        if after is not None:
            after()
        return loss

    before = float(closure().detach())
    for _ in range(steps):
        optimiser.step(closure)  # type: ignore[arg-type]
    return before, float(closure().detach())


def minimise_flat(task: FilterTask, model: ProjectedMoments, iterations: int) -> OptimizeResult:
    """SciPy's L-BFGS-B (memory 500) on the flattened moments, as the code of PDE-Net 1 calls it.

    Function and gradient are taken at the projected point, whatever point the optimiser asks for.
    """

    function = flat_function(lambda: task(model.filters()), [model.value], model.project_gradient)
    return minimize(
        function,
        model.start.flatten().numpy(),
        jac=True,
        method="L-BFGS-B",
        options={"maxcor": 500, "maxiter": iterations, "ftol": 0.0, "gtol": 1e-16},
    )
