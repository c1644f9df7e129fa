"""Published weights: MATLAB's order of axes, a merged normalisation, and files that hold something else."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.functional import conv2d

from contdepth.data import DataError
from contdepth.restoration.models.published import matconvnet_layers, merged_dncnn, published_dncnn

h5py = pytest.importorskip("h5py")

WIDTHS = ((1, 4), (4, 4), (4, 4), (4, 1))  # channels in and out of each convolution


def matlab_arrays() -> list[tuple[np.ndarray, np.ndarray]]:
    """Kernels ``(rows, columns, in, out)`` as MATLAB indexes them, no two entries alike, and biases."""
    rng = np.random.default_rng(0)
    return [
        (rng.normal(size=(3, 3, *pair)).astype("f4"), rng.normal(size=pair[1]).astype("f4")) for pair in WIDTHS
    ]


def written(arrays: list[tuple[np.ndarray, np.ndarray]]) -> bytes:
    """The arrays as MATLAB 7.3 stores a MatConvNet network: axes reversed, a last axis of one left out."""
    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        cells = []
        for number, (kernel, bias) in enumerate(arrays):
            for kind in ("conv", "relu") if number < len(arrays) - 1 else ("conv",):
                layer = file.create_group(f"#refs#/{kind}{number}")
                layer["type"] = np.array([[ord(letter)] for letter in kind], dtype="u2")
                if kind == "conv":
                    shown = kernel.T[0] if kernel.shape[-1] == 1 else kernel.T
                    parts = [file.create_dataset(f"#refs#/w{number}", data=shown)]
                    parts.append(file.create_dataset(f"#refs#/b{number}", data=bias[None]))
                    layer["weights"] = np.array([[part.ref] for part in parts], dtype=h5py.ref_dtype)
                cells.append([layer.ref])
        file["net/layers"] = np.array(cells, dtype=h5py.ref_dtype)
    return stream.getvalue()


def test_kernels_have_pytorchs_order_of_axes() -> None:
    arrays = matlab_arrays()
    found = matconvnet_layers(written(arrays))
    assert len(found) == len(arrays)
    for (weight, bias), (kernel, offset) in zip(found, arrays, strict=True):
        o, i, row, column = (n - 1 for n in weight.shape)
        assert float(weight[o, i, 0, 2]) == float(kernel[0, 2, i, o])
        np.testing.assert_array_equal(weight, kernel.transpose(3, 2, 0, 1))
        np.testing.assert_array_equal(bias, offset)
        assert row == column == 2


def test_the_network_is_convolutions_with_biases_and_nothing_else() -> None:
    arrays = matlab_arrays()
    net = merged_dncnn(matconvnet_layers(written(arrays))).double()
    y = torch.rand(2, 1, 9, 7, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    x = y
    for number, (kernel, bias) in enumerate(arrays):
        weight, offset = (torch.from_numpy(part).double() for part in (kernel.transpose(3, 2, 0, 1).copy(), bias))
        x = conv2d(x, weight, offset, padding=1)
        x = x.relu() if number < len(arrays) - 1 else x
    with torch.inference_mode():
        torch.testing.assert_close(net(y), y - x, rtol=1e-5, atol=1e-5)


def test_another_network_is_refused() -> None:
    layers = matconvnet_layers(written(matlab_arrays()))
    with pytest.raises(DataError, match=r"expected shape \(4, 4, 3, 3\) in layer 1, found \(4, 1, 3, 3\)"):
        merged_dncnn([layers[0], layers[0], layers[-1]])
    with pytest.raises(DataError, match="expected at least 2 convolutions, found 1"):
        merged_dncnn(layers[:1])


@pytest.mark.parametrize("content", [b"", b"MATLAB 5.0 MAT-file", b"\x89HDF\r\n\x1a\n"])
def test_another_file_is_refused(content: bytes) -> None:
    with pytest.raises(DataError, match=r"weights: expected a MATLAB 7\.3 file"):
        matconvnet_layers(content)


def test_hdf5_without_a_network_is_refused() -> None:
    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        file["net/meta"] = np.zeros(3)
    with pytest.raises(DataError, match=r"found KeyError"):
        matconvnet_layers(stream.getvalue())


def test_the_file_is_looked_for_in_the_data_folder_and_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONTDEPTH_DATA", str(tmp_path))
    place = tmp_path / "denoising/GD_Gray_Blind.mat"
    place.parent.mkdir()
    place.write_bytes(written(matlab_arrays()))
    with pytest.raises(DataError, match=r"expected sha256 37f76da0\w+, found"):
        published_dncnn()
