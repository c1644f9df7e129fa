"""Calls with odd arguments: what may come out is a result or a sentence, soon, with the arguments as they were.

A *door* is a public callable with arguments that work. An example replaces one or two of them by odd values: of
another type, dtype or shape, empty, not finite, negative, huge.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import resource
import signal
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import torch
from fuzz.budget import fuzzed
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from contdepth import errors

FEW = 10
"""Examples for each door in every run of the tests."""

SECONDS, GIBIBYTES = 10, 3
NAMED = (
    TypeError,
    ValueError,
    errors.CheckpointError,
    errors.DataError,
    errors.DivergenceError,
    errors.IntegrationError,
    errors.InversionError,
    errors.StoredModelError,
)

Arguments = dict[str, Any]
Table = Mapping[str, Callable[[], Arguments]]


class TooLongError(BaseException):
    """The call used up its seconds; no ``Exception``, so that nothing on the way takes it for its own."""


def odd_values() -> list[Any]:
    """Values that fit almost nowhere, made anew for each call."""
    return [
        None,
        True,
        "",
        "no such name",
        "\u00e9\n{}%s\0",
        b"bytes",
        [],
        {},
        (),
        {1},
        object(),
        int,
        lambda *_: None,
        1j,
        0,
        1,
        -1,
        0.5,
        -0.0,
        1e-300,
        1e300,
        float("nan"),
        float("inf"),
        -float("inf"),
        Fraction(1, 3),
        np.float32(2.5),
        np.int64(3),
        np.bool_(True),
        [1, None],
        ["a", "b"],
        {"a": 1},
        np.empty((0, 3)),
        np.array(["a", "b"]),
        np.array([None, 1], dtype=object),
        torch.tensor(1.5),
        torch.tensor(True),
        torch.zeros(0),
        torch.full((2, 3), torch.nan),
        torch.tensor([1 + 2j, 3]),
        torch.arange(3),
        nn.Identity(),
        Path("no/such/file"),
    ]


HUGE = [10**9, 10**12, 2**63, -(10**18), 10**400, 1e18]


def odd_tensors(x: Tensor) -> list[Any]:
    """Tensors and arrays a little beside ``x``."""
    number = x.dtype.is_floating_point or x.dtype.is_complex
    found: list[Any] = [
        x.to(torch.float16),
        x.to(torch.bfloat16),
        x.to(torch.float32),
        x.to(torch.float64),
        x.to(torch.complex64),
        x.to(torch.int64) if not x.dtype.is_complex else x.real.to(torch.int64),
        x.to(torch.int32) if not x.dtype.is_complex else x.real.to(torch.int32),
        x.to(torch.uint8) if not x.dtype.is_complex else x.real.to(torch.uint8),
        x != 0,
        x[None],
        x[..., None],
        x.flatten(),
        -x if x.dtype != torch.bool else ~x,
        x * 1000 if x.dtype != torch.bool else x,
        torch.zeros_like(x),
        x.detach().numpy().copy(),
        x.tolist(),
    ]
    if number:
        bad = [torch.full_like(x, value) for value in (torch.nan, torch.inf, 1e30, 1e-30)]
        found += [*bad, x.clone().requires_grad_()]
    if x.ndim:
        found += [x[:0], x[:1], torch.cat([x, x]), x[..., :0], x[..., :1], x.flip(0), x.mT if x.ndim > 1 else x]
        found += [x[0], x.expand(2, *x.shape)]
    if x.numel() and number:
        one = x.clone()
        one.view(-1)[-1] = torch.nan
        found.append(one)
    return found


def odd_arrays(x: np.ndarray) -> list[Any]:
    """Arrays and tensors a little beside ``x``."""
    found: list[Any] = [
        x[None],
        x[..., None],
        x.ravel(),
        -x if x.dtype != bool else ~x,
        np.zeros_like(x),
        x.tolist(),
    ]
    found += [x.astype(kind) for kind in (np.float16, np.float32, np.int64, np.uint8, bool, object, complex)]
    found += [x.astype(str), torch.from_numpy(x.copy()), np.ma.masked_array(x), np.asfortranarray(x)]
    if x.dtype.kind == "f":
        found += [np.full_like(x, value) for value in (np.nan, np.inf, 1e200, 1e-200)]
        one = x.copy()
        one.flat[-1:] = np.nan
        found.append(one)
    if x.ndim:
        found += [x[:0], x[:1], np.concatenate([x, x]), x[..., :0], x[..., :1], x[::-1], x.T]
    return found


def odd_callables() -> list[Any]:
    """Functions with odd results."""
    return [
        lambda *_, **__: None,
        lambda *_, **__: "text",
        lambda *_, **__: torch.full((2,), torch.nan),
        lambda *_, **__: torch.zeros(0),
        lambda *_, **__: 1.0,
        lambda *args, **_: args[0] if args else None,
        lambda *args, **_: args[-1] if args else None,
    ]


class Inward(nn.Module):
    """Overwrites what it is given."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mul_(2.0)


def odd_modules() -> list[Any]:
    """Models that do not fit."""
    return [nn.Identity(), nn.Linear(1, 1), nn.Sequential(), nn.Conv2d(7, 1, 1), nn.Dropout(), Inward(), nn.ReLU]


def odd_for(value: Any, long: bool) -> list[Any]:
    """What may stand in the place of ``value``; a ``long`` count makes a long run, no fault: none is huge."""
    found = odd_values()
    if not long:
        found += HUGE
    if isinstance(value, Tensor):
        return found + 2 * odd_tensors(value)
    if isinstance(value, np.ndarray):
        return found + 2 * odd_arrays(value)
    if isinstance(value, bool):
        return [one for one in found if not isinstance(one, Tensor)] + [not value, np.bool_(value), int(value)]
    if isinstance(value, int):
        return [*found, 0, -1, value + 1, float(value), str(value), np.int64(value), 2.5]
    if isinstance(value, float):
        return [*found, -value, str(value), np.float64(value), torch.tensor(value), 1e-12, int(value) + 1]
    if isinstance(value, str):
        return [*found, value.upper(), value + " ", value[:-1], [value], value.encode()]
    if isinstance(value, (list, tuple)):
        kind = type(value) if type(value) in (list, tuple) else tuple
        found += [kind(), kind(value[::-1]), kind([*value, *value]), kind(value[:1]), iter(value), set_of(value)]
        for odd in (None, "a", float("nan"), -1, torch.zeros(0), *([] if long else [10**12])):
            found.append(kind([odd, *value[1:]]))
        for inner in odd_for(value[0], long)[len(odd_values()) :] if len(value) and not long else []:
            found.append(kind([inner, *value[1:]]))
        return found
    if isinstance(value, Mapping):
        keys = list(value)
        found += [{**value, "no such key": 1}, {key: None for key in keys}, dict(list(value.items())[1:])]
        return found
    if isinstance(value, nn.Module):
        return found + 2 * odd_modules()
    if callable(value):
        return found + 2 * odd_callables()
    return found


def set_of(value: Any) -> Any:
    try:
        return set(value)
    except TypeError:
        return {1, 2}


def frozen(value: Any, models: bool = True) -> Any:
    """A copy that compares equal as long as ``value`` holds what it holds now."""
    if isinstance(value, nn.Parameter):
        return None  # made to be trained
    if isinstance(value, Tensor):
        plain = value.detach()
        content = b"" if plain.is_meta else plain.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
        return str(value.dtype), tuple(value.shape), value.requires_grad, content
    if isinstance(value, np.ndarray):
        return str(value.dtype), value.shape, repr(value.tolist())
    if isinstance(value, nn.Module):
        return frozen(dict(value.state_dict()), models) if models else None
    if isinstance(value, Mapping):
        return {key: frozen(one, models) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [frozen(one, models) for one in value]
    if isinstance(value, (set, frozenset)):
        return sorted(repr(frozen(one, models)) for one in value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: frozen(getattr(value, f.name, None), models) for f in dataclasses.fields(value)}
    if isinstance(value, (str, bytes, int, float, complex, type(None))):
        return repr(value)
    return id(value)


@contextlib.contextmanager
def limits() -> Iterator[None]:
    """A few seconds of computing and gibibytes of memory beyond what there is now."""

    def stop(number: int, frame: object) -> None:
        raise TooLongError

    pages = int(Path("/proc/self/statm").read_text().split()[0]) if Path("/proc/self/statm").exists() else 0
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    before = signal.signal(signal.SIGVTALRM, stop)
    if pages:
        resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + GIBIBYTES * 2**30, hard))
    signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def of_the_caller(error: BaseException) -> bool:
    """Raised inside a model or a function that the library was given: theirs, and passed on as it is."""
    frames = [frame.filename for frame in traceback.extract_tb(error.__traceback__)]
    ours = [i for i, name in enumerate(frames) if "/lib/contdepth/" in name]
    if not ours:
        return False
    model = any(room in frames[ours[-1]] for room in ("/control/", "/robust/", "/training/"))
    behind = frames[ours[-1] + 1 :]
    return bool(behind) and ("/fuzz/" in behind[0] or (model and "/torch/nn/modules/" in behind[0]))


def named(error: BaseException) -> bool:
    """A ``TypeError``, a ``ValueError``, one of the package's own, or a sentence about what did not come out."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    ours = "/lib/contdepth/" in last.filename and (last.line or "").startswith("raise ")
    return isinstance(error, NAMED) or (type(error) is RuntimeError and ours)


def described(arguments: Arguments) -> str:
    return ", ".join(f"{key}={value!r:.120}" for key, value in arguments.items())


def attempt(call: Callable[..., Any], arguments: Arguments, *, models: bool = True) -> BaseException | None:
    """Call; return the named error, if there is one. Anything else that goes wrong is an ``AssertionError``."""
    given_now, said = frozen(arguments, models), described(arguments)
    more = arguments.get("*", ())
    named_ones = {key: value for key, value in arguments.items() if key != "*"}
    caught: BaseException | None = None
    try:
        with limits(), warnings.catch_warnings(), np.errstate(all="ignore"), torch.random.fork_rng(devices=[]):
            warnings.simplefilter("ignore")
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                result = call(*more, **named_ones)
                if isinstance(result, Iterator):
                    list(result)
    except TooLongError:
        raise AssertionError(f"more than {SECONDS} s of computing: {said}") from None
    except Exception as error:
        if not named(error) and not of_the_caller(error):
            raise AssertionError(f"{type(error).__name__}: {error} from {said}") from error
        caught = error
    finally:
        torch.set_default_dtype(torch.float32)
    assert frozen(arguments, models) == given_now, f"an argument was changed: {said}"
    return caught


@st.composite
def spoiled(draw: st.DrawFn, fresh: Callable[[], Arguments], long: frozenset[str]) -> Arguments:
    """Arguments that work, with odd values in the place of one or two of them."""
    arguments = fresh()
    keys = [key for key in arguments if key != "self"]
    chosen = draw(st.lists(st.sampled_from(keys), min_size=1, max_size=2, unique=True)) if keys else []
    for key in chosen:
        options = odd_for(arguments[key], key in long)
        arguments[key] = options[draw(st.integers(0, len(options) - 1))]
    return arguments


def fuzz(
    name: str,
    door: Callable[[str, Arguments], Callable[..., Any]],
    fresh: Callable[[], Arguments],
    *,
    long: frozenset[str] = frozenset(),
    models: bool = True,
) -> None:
    """Odd calls (``fuzz.budget``); raises at the first that ends in anything but a result or a sentence."""

    @fuzzed(FEW)
    @given(spoiled(fresh, long))
    def one(arguments: Arguments) -> None:
        attempt(door(name, arguments), arguments, models=models)

    one()


__all__ = ["Arguments", "Table", "attempt", "frozen", "fuzz", "named"]
