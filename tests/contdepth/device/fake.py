"""A device that is none: its tensors lie on the CPU, and mixing them with the CPU's raises as it does on CUDA.

A device tensor wraps a CPU tensor and says that it is on ``meta``, the one device that PyTorch has everywhere and
that nothing else here uses. Every operation runs on the tensors inside, with the CPU's kernels: results are the
CPU's to the bit, draws too. What is refused is what CUDA refuses: a tensor of another device, except a number of
no dimensions in a pointwise operation, indices in ``x[i]``, and copies; NumPy; a generator of the CPU.
"""

from __future__ import annotations

import contextlib
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import torch
from torch import Tensor, nn
from torch.optim import optimizer
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

aten = torch.ops.aten
DEVICE = torch.device("meta")
CPU = torch.device("cpu")
COPIES = {aten._to_copy.default, aten.copy_.default, aten.copy.default}
READS = {aten._local_scalar_dense.default, aten.equal.default, aten.nonzero.default, aten.masked_select.default}
INDEXED = {"index", "index_put", "index_put_", "_index_put_impl_", "_unsafe_index", "_unsafe_index_put"}
NUMBER_BESIDE = {"fill_", "fill", "masked_fill", "masked_fill_", "where", "lerp", "lerp_"}
"""Operations other than the pointwise ones that take a CPU tensor without dimensions as a number."""

PLAINER = {
    aten._efficientzerotensor.default: aten.zeros.default,
    aten._conj.default: aten._conj_physical.default,
    aten._neg_view.default: aten.neg.default,
}
"""What leaves a mark on its result that the operations on the tensors inside do not see, and what does not."""


class DeviceTensor(Tensor):
    """A tensor on the fake device; ``inner`` holds its numbers."""

    inner: Tensor
    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, inner: Tensor) -> DeviceTensor:
        found = Tensor._make_wrapper_subclass(
            cls,
            inner.shape,
            strides=inner.stride(),
            storage_offset=inner.storage_offset(),
            dtype=inner.dtype,
            device=DEVICE,
        )
        found.inner = inner
        return found

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return run(func, args, kwargs or {}, None)

    is_meta = False

    @property
    def data(self) -> Tensor:
        return self.detach()

    @data.setter
    def data(self, value: DeviceTensor) -> None:
        Tensor.data.__set__(self, value)
        self.inner = value.inner

    def numpy(self, **options: Any) -> Any:
        raise TypeError(
            "can't convert a device tensor to numpy. Use Tensor.cpu() to copy it to host memory first."
        )

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return self.numpy()

    def tolist(self) -> Any:
        return self.detach().cpu().tolist()

    def __repr__(self, **options: Any) -> str:
        return f"{self.inner!r} on the device"

    def __format__(self, how: str) -> str:
        return format(self.item(), how) if self.dim() == 0 else object.__format__(self, how)

    def __reduce_ex__(self, protocol: Any) -> Any:
        if isinstance(self, nn.Parameter):
            return torch._utils._rebuild_parameter, (self.detach(), self.requires_grad, OrderedDict())
        plain = self.detach().cpu()
        return torch._utils._rebuild_device_tensor_from_cpu_tensor, (plain, self.dtype, DEVICE, self.requires_grad)


def run(func: Any, args: Any, kwargs: dict[str, Any], counts: FakeDevice | None) -> Any:
    """One operation with the CPU's kernel: refused if it mixes devices; its results are where its tensors are."""
    func = PLAINER.get(func, func)
    if func is aten.to.dtype_layout:
        func, kwargs = aten._to_copy.default, {key: value for key, value in kwargs.items() if key != "copy"}
    tensors = [x for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor)]
    ours = [x for x in tensors if isinstance(x, DeviceTensor)]
    empty = [x for x in tensors if x.is_meta]
    assert not empty, f"{func}: a tensor of the device without numbers, of shape {tuple(empty[0].shape)}"
    asked = kwargs.get("device")
    if not ours and (asked is None or torch.device(asked).type != DEVICE.type):
        return func(*args, **kwargs)
    if len(ours) < len(tensors) and func not in COPIES:
        refuse_mixtures(func, args, tensors)
    known = {id(x.inner): x for x in ours}
    if asked is not None:
        kwargs = {**kwargs, "device": CPU}
    inside = tree_map(lambda x: x.inner if isinstance(x, DeviceTensor) else x, (args, kwargs))
    if counts is not None and (func in READS or reads(func, args, asked)):
        counts.reads += 1
    result = func(*inside[0], **inside[1])
    if torch.Tag.inplace_view in func.tags and isinstance(args[0], DeviceTensor):
        with torch._C._DisableTorchDispatch():
            func(*args, **kwargs)  # the shape that the wrapper tells
    for x in ours:
        assert x.shape == x.inner.shape, f"{func} changed the shape of a tensor in place: the fake cannot follow"
    if not stays(func, args, asked):
        return result
    return tree_map(lambda x: known[id(x)] if id(x) in known else wrapped(x), result)


def wrapped(value: Any) -> Any:
    if not isinstance(value, Tensor):
        return value
    with torch.inference_mode(False):  # a view of a tensor from outside would not be one of inference mode
        return DeviceTensor(value)


def refuse_mixtures(func: Any, args: Any, tensors: list[Tensor]) -> None:
    """Raise as CUDA does unless the CPU tensors among ``tensors`` are ones that it takes beside its own."""
    name = func.overloadpacket.__name__
    if name in INDEXED and isinstance(args[0], DeviceTensor):
        value = args[2] if len(args) > 2 else args[0]
        if isinstance(value, DeviceTensor) or value.dim() == 0:
            return
    written = [
        x
        for x, about in zip(args, func._schema.arguments, strict=False)
        if isinstance(x, Tensor) and writes(about)
    ]
    pointwise = torch.Tag.pointwise in func.tags or name in NUMBER_BESIDE
    numbers = all(isinstance(x, DeviceTensor) or x.dim() == 0 for x in tensors)
    if name in ("masked_fill", "masked_fill_"):
        numbers = numbers and isinstance(args[1], DeviceTensor)
    if pointwise and numbers and all(isinstance(x, DeviceTensor) for x in written):
        return
    raise RuntimeError(
        f"Expected all tensors to be on the same device, but found the device and cpu: {func} of "
        + ", ".join(
            f"{tuple(x.shape)} on {'the device' if isinstance(x, DeviceTensor) else 'cpu'}" for x in tensors
        )
    )


def writes(argument: Any) -> bool:
    return argument.alias_info is not None and argument.alias_info.is_write


def stays(func: Any, args: Any, asked: Any) -> bool:
    """Whether an operation with tensors of the device gives tensors of the device: but for copies it does."""
    return func not in COPIES or on_device(asked if asked is not None else args[0].device)


def reads(func: Any, args: Any, asked: Any) -> bool:
    """Whether the CPU waits for numbers of the device: a copy to the CPU, or indices by a mask."""
    if not stays(func, args, asked):
        return True
    name = func.overloadpacket.__name__
    masks = [x for x in args[1] if isinstance(x, DeviceTensor)] if name in INDEXED else []
    return any(x.dtype in (torch.bool, torch.uint8) for x in masks)


class Operations(TorchDispatchMode):
    """All operations, so that those which make tensors from nothing make them on the device."""

    def __init__(self, counts: FakeDevice) -> None:
        super().__init__()
        self.counts = counts

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return run(func, args, kwargs or {}, self.counts)


class Functions(TorchFunctionMode):
    """What PyTorch decides before an operation: tensors of Python's numbers, lists as indices, whose generator."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func in (torch.tensor, torch.as_tensor, torch.asarray) and on_device(kwargs.get("device")):
            data = args[0] if args else kwargs.pop("data", None)
            if not (func is not torch.tensor and isinstance(data, Tensor)):
                options = {key: value for key, value in kwargs.items() if key != "device"}
                return func(data, *args[1:], **options).to(DEVICE)
        if func is Tensor.new_tensor and args[0].device.type == DEVICE.type and not kwargs.get("device"):
            return torch.tensor(args[1], dtype=kwargs.get("dtype") or args[0].dtype).to(DEVICE)
        if func in (Tensor.__getitem__, Tensor.__setitem__) and args[0].device.type == DEVICE.type:
            args = (args[0], listed(args[1]), *args[2:])
        if kwargs.get("generator") is not None:
            whose(func, args, kwargs)
        return func(*args, **kwargs)


def on_device(device: Any) -> bool:
    return device is not None and torch.device(device).type == DEVICE.type


def listed(index: Any) -> Any:
    """An index with its lists and arrays as tensors of the device."""
    if isinstance(index, tuple):
        return tuple(map(listed, index))
    if isinstance(index, (list, range)) or type(index).__module__ == "numpy" and getattr(index, "ndim", 0):
        return torch.tensor(list(index) if isinstance(index, range) else index).to(DEVICE)
    return index


def whose(func: Any, args: Any, kwargs: dict[str, Any]) -> None:
    """Raise unless the generator is of the device that is drawn on."""
    tensors = [x for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor)]
    wanted = kwargs.get("device") or (tensors[0].device if tensors else CPU)
    wanted, found = torch.device(wanted).type, kwargs["generator"].device.type
    if wanted != found:
        raise RuntimeError(f"Expected a '{wanted}' device type for generator but found '{found}'")


class Kind(type(torch.Generator)):
    """Every generator is one, and one of another device is made as ever."""

    def __instancecheck__(cls, value: object) -> bool:
        return isinstance(value, PLAIN_GENERATOR)

    def __call__(cls, device: Any = "cpu") -> torch.Generator:
        return super().__call__() if on_device(device) else PLAIN_GENERATOR(device)


PLAIN_GENERATOR = torch.Generator


class DeviceGenerator(PLAIN_GENERATOR, metaclass=Kind):
    """A generator of the device: the CPU's stream, and only for the device."""

    def __new__(cls) -> DeviceGenerator:
        return super().__new__(cls, "cpu")

    device = DEVICE

    def manual_seed(self, seed: int) -> DeviceGenerator:
        super().manual_seed(seed)
        return self


class Autocast(torch.autocast):
    """``torch.autocast``, which on the device does nothing."""

    def __init__(self, device_type: str, *args: Any, **options: Any) -> None:
        if device_type == DEVICE.type:
            device_type, options["enabled"] = "cpu", False
        super().__init__(device_type, *args, **options)


def kept(apply: Callable[..., nn.Module]) -> Callable[..., nn.Module]:
    """``Module._apply`` that keeps the module's parameters, as it does between the CPU and CUDA."""

    def changed(self: nn.Module, *args: Any, **options: Any) -> nn.Module:
        before = torch.__future__.get_swap_module_params_on_conversion()
        torch.__future__.set_swap_module_params_on_conversion(True)
        try:
            return apply(self, *args, **options)
        finally:
            torch.__future__.set_swap_module_params_on_conversion(before)

    return changed


class FakeDevice:
    """The device as a test sees it: its name, and how often the CPU has waited for it."""

    device = DEVICE

    def __init__(self) -> None:
        self.reads = 0


@contextlib.contextmanager
def fake_device() -> Iterator[FakeDevice]:
    """Inside, ``device="meta"`` is the fake device."""
    known: Callable[..., bool] = torch.is_autocast_enabled
    counts = FakeDevice()
    with (
        mock.patch.object(torch, "Generator", DeviceGenerator),
        mock.patch.object(torch, "autocast", Autocast),
        mock.patch.object(nn.Module, "_apply", kept(nn.Module._apply)),
        mock.patch.object(optimizer, "_get_fused_kernels_supported_devices", lambda: ["cpu", DEVICE.type]),
        mock.patch.object(torch, "is_autocast_enabled", lambda *kind: kind != ("meta",) and known(*kind)),
        Operations(counts),
        Functions(),
    ):
        yield counts
