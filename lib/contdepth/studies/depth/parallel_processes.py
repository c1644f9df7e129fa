"""One net trained by two processes, half of the layers each, beside the same training in one process."""

from __future__ import annotations

import math
import multiprocessing
import os
import time
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
import torch
from torch import Tensor

from contdepth import data, seeds
from contdepth.parallel import prepare_worker, process_settings
from contdepth.studies.depth.parallel_halves import Half, Link, serial_gradient

__all__ = ["half_of", "race", "whole"]


def whole(seed: int, layers: int, width: int, batch: int) -> dict[str, Tensor]:
    """The net at the start, equal layers, and one batch of digits behind a fixed opening; float32."""
    rng = seeds.generator(seed, "two processes")
    images, labels = data.digits("train", batch).images.flatten(1).float() / 16, data.digits("train", batch).labels
    opening = torch.randn(64, width, generator=rng) / 8
    K = torch.randn(1, width, width, generator=rng) / math.sqrt(width)
    return {
        "K": K.expand(layers, width, width).clone(),
        "b": torch.zeros(layers, width),
        "closing": torch.randn(width, 10, generator=rng) / math.sqrt(width),
        "first": torch.tanh(images @ opening),
        "labels": labels,
    }


def half_of(net: dict[str, Tensor], h: float, block: int, link: Link, *, behind: bool) -> Half:
    """The front half of the layers, or the one behind with the closing matrix."""
    middle = len(net["K"]) // 2
    if behind:
        more = {"closing": net["closing"], "labels": net["labels"]}
        return Half(net["K"][middle:], net["b"][middle:], h, block, link, **more)
    return Half(net["K"][:middle], net["b"][:middle], h, block, link, first=net["first"])


def through(connection: Connection, like: Tensor) -> Link:
    """Tensors of the shape and dtype of ``like`` as bytes through a pipe."""
    place = np.empty(like.numel(), dtype=like.numpy().dtype)

    def receive() -> Tensor:
        connection.recv_bytes_into(place)
        return torch.from_numpy(place.copy()).view(like.shape)

    def send(value: Tensor) -> None:
        connection.send_bytes(value.detach().numpy().tobytes())

    return Link(send, receive)


def trained(half: Half, adam: torch.optim.Adam, steps: int) -> tuple[list[float], float]:
    """So many steps of a half: the losses, which only the half behind knows, and its seconds of CPU time.

    Before its first step of all there is a sweep that changes no weight.
    """
    losses, began = [], time.process_time()
    if half.lacks is None:
        half.step()
    for _ in range(steps):
        for one, grown in zip(half.parameters, half.step(), strict=True):
            one.grad = grown
        adam.step()
        losses.append(half.loss)
    return losses, time.process_time() - began


def other_process(
    parent: int, settings: dict[str, Any], plan: dict[str, Any], pipe: Connection, orders: Connection
) -> None:
    """The half behind: so many steps as it is told, until it is told none."""
    prepare_worker(parent, settings)
    net = whole(plan["seed"], plan["layers"], plan["width"], plan["batch"])
    half = half_of(net, plan["h"], plan["block"], through(pipe, net["first"]), behind=True)
    adam = torch.optim.Adam(half.parameters, lr=plan["rate"])
    orders.send(None)
    while steps := orders.recv():
        orders.send(trained(half, adam, steps))


def race(
    *,
    seed: int,
    layers: int = 128,
    width: int = 256,
    batch: int = 256,
    block: int = 16,
    T: float = 2.0,
    rate: float = 1e-3,
    rounds: int = 5,
    steps: int = 3,
) -> dict[str, Any]:
    """The same training twice, in turns: here alone, and here with a second process; a thread each.

    Returns:
        ``serial`` and ``two``: seconds of the clock for one step, a value a round (a round before them warms up);
        ``serial_busy`` and ``two_busy``: seconds of CPU time for one step, of the busier process of two;
        ``serial_losses`` and ``two_losses`` of all steps.
    """
    h = T / layers
    plan = {"seed": seed, "layers": layers, "width": width, "batch": batch, "block": block, "h": h, "rate": rate}
    net = whole(seed, layers, width, batch)
    context = multiprocessing.get_context("spawn")
    (pipe, far), (orders, far_orders) = context.Pipe(), context.Pipe()
    arguments = (os.getpid(), process_settings(), plan, far, far_orders)
    process = context.Process(target=other_process, args=arguments, daemon=True)
    process.start()
    alone = [net[key].clone().requires_grad_() for key in ("K", "b", "closing")]
    adam = torch.optim.Adam(alone, lr=rate)
    half = half_of(net, h, block, through(pipe, net["first"]), behind=False)
    half_adam = torch.optim.Adam(half.parameters, lr=rate)
    names = ("serial", "two", "serial_busy", "two_busy", "serial_losses", "two_losses")
    found: dict[str, list[float]] = {name: [] for name in names}
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        orders.recv()
        for turn in range(rounds + 1):
            began, serial_busy = time.perf_counter(), -time.process_time()
            for _ in range(steps):
                loss, grown = serial_gradient(alone[0], alone[1], alone[2], net["first"], net["labels"], h)
                for one, pull in zip(alone, grown, strict=True):
                    one.grad = pull
                adam.step()
                found["serial_losses"].append(loss)
            middle, serial_busy = time.perf_counter(), serial_busy + time.process_time()
            orders.send(steps)
            _, here = trained(half, half_adam, steps)
            losses, there = orders.recv()
            found["two_losses"] += losses
            if turn:
                found["serial"].append((middle - began) / steps)
                found["two"].append((time.perf_counter() - middle) / steps)
                found["serial_busy"].append(serial_busy / steps)
                found["two_busy"].append(max(here, there) / steps)
        orders.send(0)
        process.join(10)
    finally:
        torch.set_num_threads(threads)
        process.kill()
        process.join()
        for end in (pipe, far, orders, far_orders):
            end.close()
    return found
