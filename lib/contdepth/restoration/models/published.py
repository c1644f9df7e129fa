"""DnCNN-B with the weights that its authors published, as an opponent of published strength."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from contdepth import checks
from contdepth.data.registry import entry
from contdepth.data.store import obtain
from contdepth.errors import DataError
from contdepth.restoration.models.dncnn import DnCNN, DnCNNShape

__all__ = ["matconvnet_layers", "merged_dncnn", "published_dncnn"]


def published_dncnn() -> DnCNN:
    """The blind DnCNN-B of Zhang et al. (2017, IEEE TIP 26(7)), σ in [0, 55], 20 layers, in eval mode.

    The authors' file ``GD_Gray_Blind.mat`` (data set ``"dncnn-b"``: a download, not part of this package) has the
    batch normalisation merged into the convolutions.

    Raises:
        ImportError: h5py is not installed; it is in the extra ``peers``.
        DataError: the file cannot be had, is damaged, or holds other layers.
    """
    (file,) = entry("dncnn-b")["files"]
    return merged_dncnn(matconvnet_layers(obtain("dncnn-b", file)))


def matconvnet_layers(content: bytes) -> list[tuple[Tensor, Tensor]]:
    """Weights ``(out, in, 3, 3)`` and biases ``(out,)`` of the convolutions of a MatConvNet network, in order.

    ``content``: a MATLAB 7.3 file, which is HDF5, with a structure ``net`` and its cell array ``layers``. MATLAB
    stores ``(rows, columns, in, out)`` column by column, so HDF5 shows ``(out, in, columns, rows)``: the last two
    axes are exchanged here. A last axis of length one is not stored by MATLAB; a kernel ``(in, columns, rows)`` is
    one with a single output.

    Raises:
        ImportError: h5py is not installed.
        DataError: no such file.
    """
    try:
        import h5py
    except ImportError as missing:
        raise ImportError("h5py: expected the package, found none; install contdepth[peers]") from missing
    try:
        with h5py.File(io.BytesIO(content), "r") as file:
            layers = [file[cell] for cell in file["net/layers"][...].ravel()]
            return [convolution(file, layer) for layer in layers if kind(layer) == "conv"]
    except (OSError, KeyError, ValueError, TypeError, AttributeError) as reason:
        raise DataError(
            f"weights: expected a MATLAB 7.3 file with net.layers of MatConvNet, found {type(reason).__name__}"
        ) from reason


def kind(layer: Any) -> str:
    """``"conv"``, ``"relu"``, …: MATLAB characters are 16-bit numbers."""
    return "".join(map(chr, layer["type"][...].ravel()))


def convolution(file: Any, layer: Any) -> tuple[Tensor, Tensor]:
    """Kernel and bias of one layer in PyTorch's order."""
    kernel, bias = (np.asarray(file[part], dtype=np.float32) for part in layer["weights"][...].ravel())
    kernel = kernel[None] if kernel.ndim == 3 else kernel
    return torch.from_numpy(kernel.swapaxes(2, 3).copy()), torch.from_numpy(bias.ravel().copy())


def merged_dncnn(layers: list[tuple[Tensor, Tensor]]) -> DnCNN:
    """A ``DnCNN`` in eval mode whose normalisations do nothing but add the biases of ``layers``.

    ``layers``: at least two kernels ``(out, in, 3, 3)`` with biases ``(out,)``, any normalisation merged in.

    Raises:
        DataError: the layers are not those of a DnCNN.
    """
    if len(layers) < 2:
        raise DataError(f"weights: expected at least 2 convolutions, found {len(layers)}")
    shape = DnCNNShape(len(layers), checks.integer("width", len(layers[0][1]), at_least=1))
    net = DnCNN(shape).eval()
    convolutions = [m for m in net.modules() if isinstance(m, nn.Conv2d)]
    norms = [m for m in net.modules() if isinstance(m, nn.BatchNorm2d)]
    with torch.no_grad():
        for number, (layer, (weight, bias)) in enumerate(zip(convolutions, layers, strict=True)):
            if layer.weight.shape != weight.shape or len(bias) != len(weight):
                raise DataError(
                    f"weights: expected shape {tuple(layer.weight.shape)} in layer {number}, "
                    f"found {tuple(weight.shape)} with {len(bias)} biases"
                )
            layer.weight.copy_(weight)
            if layer.bias is not None:
                layer.bias.copy_(bias)
                continue
            norm = norms[number - 1]
            norm.running_var.fill_(1 - norm.eps)  # type: ignore[union-attr]
            norm.bias.copy_(bias)
    return net
