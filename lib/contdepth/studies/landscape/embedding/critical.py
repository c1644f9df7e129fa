"""Nets of one hidden layer and few neurons: the loss, its two derivatives by formulas, its critical points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Critical", "Task", "critical_point", "gradient", "hessian", "loss", "output"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Task:
    """Inputs ``x`` (n,) and values ``y`` (n,) of one function."""

    x: Array
    y: Array


@dataclass(frozen=True)
class Critical:
    """A point ``theta`` (m, 3), rows (w, b, a), its loss, the norm of the gradient, the Hessian's spectrum."""

    theta: Array
    loss: float
    slope: float
    eigenvalues: Array

    @property
    def is_strict_minimum(self) -> bool:
        return bool(self.eigenvalues.min() > 0)


def output(theta: Array, x: Array) -> Array:
    """Σ_j a_j tanh(w_j x + b_j): theta (..., m, 3) → (..., n)."""
    w, b, a = (theta[..., i, None] for i in range(3))
    return np.asarray((a * np.tanh(w * x + b)).sum(-2))


def loss(theta: Array, task: Task) -> Array:
    """mean ½(h - y)², (...)."""
    return np.asarray(np.square(output(theta, task.x) - task.y).mean(-1) / 2)


def jacobian(theta: Array, x: Array) -> Array:
    """∂h/∂(w, b, a) (..., m, 3, n)."""
    w, b, a = (theta[..., i, None] for i in range(3))
    t = np.tanh(w * x + b)
    slope = a * (1 - t * t)
    return np.stack([slope * x, slope, t], -2)


def gradient(theta: Array, task: Task) -> Array:
    """∇ of the loss, (..., m, 3)."""
    rest = output(theta, task.x) - task.y
    return np.asarray((jacobian(theta, task.x) * rest[..., None, None, :]).mean(-1))


def hessian(theta: Array, task: Task) -> Array:
    """∇² of the loss at one theta (m, 3), (3m, 3m)."""
    m = len(theta)
    flat = jacobian(theta, task.x).reshape(3 * m, -1)
    whole = flat @ flat.T / len(task.x)
    rest = output(theta, task.x) - task.y
    w, b, a = (theta[:, i, None] for i in range(3))
    t = np.tanh(w * task.x + b)
    first, second = 1 - t * t, -2 * t * (1 - t * t)
    bend = a * second * rest
    mixed = first * rest
    x = task.x
    for j in range(m):
        own = np.zeros((3, 3))
        own[0, 0], own[1, 1] = (bend[j] * x * x).mean(), bend[j].mean()
        own[0, 1] = own[1, 0] = (bend[j] * x).mean()
        own[0, 2] = own[2, 0] = (mixed[j] * x).mean()
        own[1, 2] = own[2, 1] = mixed[j].mean()
        whole[3 * j : 3 * j + 3, 3 * j : 3 * j + 3] += own
    return np.asarray(whole)


def critical_point(start: Array, task: Task, *, damped: int = 2000, newton: int = 20) -> Critical:
    """From ``start`` (m, 3) downhill by Levenberg and Marquardt, then Newton's steps while they help."""
    theta, damping = start, 1e-2
    value = float(loss(theta, task))
    for _ in range(damped):
        flat = jacobian(theta, task.x).reshape(theta.size, -1)
        slope = gradient(theta, task).ravel()
        if np.abs(slope).max() < 1e-9:
            break
        step = np.linalg.solve(flat @ flat.T / len(task.x) + damping * np.eye(theta.size), -slope)
        tried = theta + step.reshape(theta.shape)
        if loss(tried, task) < value:
            theta, value, damping = tried, float(loss(tried, task)), max(damping / 3, 1e-12)
        else:
            damping = min(damping * 4, 1e8)
    for _ in range(newton):
        step = np.linalg.lstsq(hessian(theta, task), -gradient(theta, task).ravel(), rcond=1e-12)[0]
        tried = theta + step.reshape(theta.shape)
        if not np.linalg.norm(gradient(tried, task)) < np.linalg.norm(gradient(theta, task)):
            break
        theta = tried
    spectrum: Array = np.linalg.eigvalsh(hessian(theta, task)).astype(np.float64)
    return Critical(theta, float(loss(theta, task)), float(np.linalg.norm(gradient(theta, task))), spectrum)


def descend(theta: Array, task: Task, steps: int, rate: float, look: int) -> tuple[Array, Array]:
    """Gradient descent of a batch theta (S, m, 3); losses every ``look`` steps, (T, S), and where it ends."""
    seen = []
    for step in range(steps + 1):
        if step % look == 0:
            seen.append(loss(theta, task))
        if step < steps:
            theta = theta - rate * gradient(theta, task)
    return np.array(seen), theta


def starts(seeds: Sequence[int], width: int, scale: float, purpose: str = "start") -> Array:
    """N(0, scale²) for every seed from its own stream, (S, width, 3)."""
    import torch

    from contdepth.seeds import generator

    drawn = [
        torch.randn(width, 3, generator=generator(seed, purpose), dtype=torch.float64).numpy() for seed in seeds
    ]
    return scale * np.stack(drawn)
