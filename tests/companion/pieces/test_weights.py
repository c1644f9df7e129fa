"""Weights: known by their tensors, not by their file, and read only whole."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from companion.errors import RunError
from companion.pieces.weights import described, read_weights, weights_bytes, write_weights

TENSORS = {
    "b.weight": torch.arange(6.0).reshape(2, 3),
    "a": torch.tensor(3, dtype=torch.int64),
    "half": torch.tensor([1.5, -2.0], dtype=torch.bfloat16),
    "mask": torch.tensor([True, False, True]),
    "none": torch.zeros(0, 4),
    "spectrum": torch.tensor([1 + 2j, 3 - 1j], dtype=torch.complex64),
}


def file_of(tensors, path, **more):
    """Write ``tensors`` as another program would and return the path."""
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path, **more)
    return path


def test_what_is_written_is_read_by_others_and_back(tmp_path):
    path = tmp_path / "own.safetensors"
    write_weights(path, TENSORS)
    for found in (load_file(path), read_weights(path)):
        assert set(found) == set(TENSORS)
        for name, tensor in TENSORS.items():
            assert found[name].dtype == tensor.dtype and torch.equal(found[name], tensor)


def test_the_digest_is_of_the_tensors_not_of_the_file(tmp_path):
    own = tmp_path / "own.safetensors"
    write_weights(own, TENSORS)
    known = described(own)
    assert known["bytes"] == 6 * 4 + 8 + 2 * 2 + 3 + 0 + 2 * 8
    assert known["tensors"]["b.weight"] == {"shape": [2, 3], "dtype": "F32"}
    many = {f"key-{number}": str(number) for number in range(20)}
    others = [tmp_path / f"{number}.safetensors" for number in range(4)]
    backwards = dict(reversed(TENSORS.items()))
    digests = {described(file_of(backwards, path, metadata=many))["digest"] for path in others}
    assert digests == {known["digest"]}
    raw = weights_bytes(TENSORS)
    length = int.from_bytes(raw[:8], "little")
    header = {"__metadata__": dict(reversed(many.items())), **json.loads(raw[8 : 8 + length])}
    said = json.dumps(header).encode()
    (tmp_path / "meta.safetensors").write_bytes(len(said).to_bytes(8, "little") + said + raw[8 + length :])
    assert described(tmp_path / "meta.safetensors") == known


@pytest.mark.parametrize(
    "other",
    [
        {**TENSORS, "a": torch.tensor(4, dtype=torch.int64)},
        {**TENSORS, "b.weight": torch.arange(6.0).reshape(3, 2)},
        {**TENSORS, "mask": torch.tensor([1, 0, 1], dtype=torch.uint8)},
        {name: tensor for name, tensor in TENSORS.items() if name != "none"},
        {("c" if name == "a" else name): tensor for name, tensor in TENSORS.items()},
    ],
)
def test_other_values_shapes_types_or_names_have_another_digest(tmp_path, other):
    write_weights(tmp_path / "one.safetensors", TENSORS)
    write_weights(tmp_path / "two.safetensors", other)
    digests = [described(tmp_path / f"{name}.safetensors")["digest"] for name in ("one", "two")]
    assert digests[0] != digests[1]


def test_lazy_conjugation_strides_and_order_do_not_count():
    conjugated = TENSORS["spectrum"].conj()
    assert conjugated.is_conj()
    plain = {"c": conjugated.resolve_conj(), "t": torch.arange(6.0).reshape(2, 3).T.contiguous()}
    lazy = {"t": torch.arange(6.0).reshape(2, 3).T, "c": conjugated.requires_grad_()}
    assert weights_bytes(plain) == weights_bytes(lazy)
    negative = torch.tensor([1j, 2j]).conj().imag
    assert negative.is_neg()
    assert weights_bytes({"n": negative}) == weights_bytes({"n": torch.tensor([-1.0, -2.0])})


def test_a_type_that_the_format_does_not_have_is_refused():
    with pytest.raises(RunError, match="weights z: expected a tensor of BOOL, .*, found torch.complex128"):
        weights_bytes({"z": torch.zeros(1, dtype=torch.complex128)})
    with pytest.raises(RunError, match="weights z: expected a tensor of BOOL, .*, found list"):
        weights_bytes({"z": [1.0]})


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda raw: raw[:-1], "do not fit|does not end where its tensors end"),
        (lambda raw: raw + b"\0", "does not end where its tensors end"),
        (lambda raw: raw[:5], "its header is cut off"),
        (lambda raw: b"\xff" * 8 + raw[8:], "its header is cut off"),
        (lambda raw: raw.replace(b'"F32"', b'"F99"'), "F99"),
        (lambda raw: raw.replace(b"[2,3]", b"[2,4]"), "the bytes of b.weight do not fit its shape"),
        (lambda raw: raw.replace(b'{"a"', b'["a"', 1), "delimiter"),
    ],
)
def test_a_damaged_file_is_refused(tmp_path, damage, said):
    path = tmp_path / "w.safetensors"
    path.write_bytes(damage(weights_bytes(TENSORS)))
    with pytest.raises(RunError, match=f"w.safetensors: expected weights, found this: .*({said})"):
        described(path)
    with pytest.raises(RunError, match="expected weights"):
        described(tmp_path / "absent.safetensors")
