"""DURR from the command line: what a file holds comes back, or one sentence says why not."""

from __future__ import annotations

import io
import os
import re
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image
from restoration_toys import Brighter, StopsAt

from contdepth.restoration.__main__ import main
from contdepth.restoration.picture import read_picture
from contdepth.restoration.restorer import DURR


def picture(*shape: int, seed: int = 0) -> np.ndarray:
    """Random grey values away from the ends."""
    return np.random.default_rng(seed).integers(60, 180, shape).astype(np.uint8)


@pytest.fixture
def toy(monkeypatch):
    """The command with a toy restorer in place of the stored ones."""
    monkeypatch.setattr(DURR, "load", classmethod(lambda cls, name, device: cls(Brighter(), StopsAt(2))))


def test_the_command_restores_a_file(tmp_path, capsys, toy):
    Image.fromarray(picture(10, 12, 3)).save(tmp_path / "photo.png")
    assert main([str(tmp_path / "photo.png")]) == 0
    with Image.open(tmp_path / "photo-restored.png") as found:
        assert np.array_equal(np.asarray(found), np.round(picture(10, 12, 3) + 5.1).astype(np.uint8))
    assert "photo-restored.png: 2 steps" in capsys.readouterr().out
    reference = str(tmp_path / "photo.png")
    assert main([reference, "--reference", reference, "--steps", "1", "--out", str(tmp_path / "b.tif")]) == 0
    out = capsys.readouterr().out
    assert "b.tif: 1 steps" in out and "PSNR by step (dB): inf" in out


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["absent.png"], "picture: expected a picture file, found no file"),
        (["text.png"], "picture: expected a picture file that Pillow can read"),
        (["photo.png", "--out", "x.jpg"], "--out: expected a .png or .tif file"),
        (["photo.png", "--steps", "99"], "steps: expected"),
    ],
)
def test_the_command_says_what_is_wrong(arguments, words, tmp_path, capsys, toy, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Image.fromarray(picture(8, 8)).save("photo.png")
    (tmp_path / "text.png").write_text("no picture")
    assert main(arguments) == 2
    assert words in capsys.readouterr().err and not (tmp_path / "photo-restored.png").exists()


def test_phone_pictures_are_turned_and_tiffs_lose_nothing(tmp_path, toy):
    flat = Image.fromarray(picture(10, 14))
    tags = flat.getexif()
    tags[0x0112] = 6  # a quarter turn
    flat.save(tmp_path / "phone.png", exif=tags)
    assert main([str(tmp_path / "phone.png"), "--out", str(tmp_path / "a.tif")]) == 0
    with Image.open(tmp_path / "a.tif") as found:
        assert found.size == (10, 14)
        assert np.array_equal(np.asarray(found), np.round(np.rot90(picture(10, 14), -1) + 5.1).astype(np.uint8))


def test_the_command_says_that_there_was_nothing_to_do(tmp_path, capsys, monkeypatch):
    choosy = DURR(Brighter(), StopsAt(2), looks_for="noise")
    monkeypatch.setattr(DURR, "load", classmethod(lambda cls, name, device: choosy))
    Image.new("L", (40, 40), 100).save(tmp_path / "flat.png")
    assert main([str(tmp_path / "flat.png")]) == 0
    assert "flat-restored.png: 0 steps, nothing to do: the picture as it came" in capsys.readouterr().out
    assert main([str(tmp_path / "flat.png"), "--steps", "0"]) == 0
    assert "nothing to do" not in capsys.readouterr().out


def deep_png(path: Path, kind: int) -> None:
    """A PNG of 16 bits: kind 2 RGB, 4 grey with opacity, 6 RGBA."""
    pixels = np.random.default_rng(0).integers(0, 65536, (4, 5 * {2: 3, 4: 2, 6: 4}[kind])).astype(">u2")
    lines = b"".join(b"\0" + line.tobytes() for line in pixels)
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", 5, 4, 16, kind, 0, 0, 0)),
        (b"IDAT", zlib.compress(lines)),
        (b"IEND", b""),
    )
    body = b"".join(struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in chunks)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)


def deep_tiff(path: Path, **options) -> None:
    """A TIFF in colours of 16 bits."""
    tifffile.imwrite(path, np.zeros((8, 9, 3), np.uint16), photometric="rgb", **options)


def planes_tiff(path: Path) -> None:
    """A TIFF of 16 bits, one colour after the other."""
    tifffile.imwrite(path, np.zeros((3, 8, 9), np.uint16), photometric="rgb", planarconfig="separate")


def pages(kind: str, path: Path) -> None:
    first, second = (Image.fromarray(picture(8, 9, 3, seed=k)) for k in range(2))
    first.save(path, format=kind, save_all=True, append_images=[second])


LOST = {
    "RGB.png": (lambda path: deep_png(path, 2), "found 16, of which Pillow keeps 8"),
    "LA.png": (lambda path: deep_png(path, 4), "found 16, of which Pillow keeps 8"),
    "RGBA.png": (lambda path: deep_png(path, 6), "found 16, of which Pillow keeps 8"),
    "RGB.tif": (deep_tiff, "found 16, of which Pillow keeps 8"),
    "big-endian.tif": (lambda path: deep_tiff(path, byteorder=">"), "found 16, of which Pillow keeps 8"),
    "deflated.tif": (lambda path: deep_tiff(path, compression="zlib"), "found 16, of which Pillow keeps 8"),
    "planes.tif": (planes_tiff, "found 16, of which Pillow keeps 8|can read"),
    "RGB.ppm": (lambda path: path.write_bytes(b"P6 2 1 1023\n" + bytes(12)), "found 16, of which Pillow keeps 8"),
    "plain.ppm": (lambda path: path.write_text("P3 1 1 65535\n1 2 3\n"), "found 16, of which Pillow keeps 8"),
    "pages.tif": (lambda path: pages("TIFF", path), "expected a single picture"),
    "frames.gif": (lambda path: pages("GIF", path), "expected a single picture"),
    "frames.png": (lambda path: pages("PNG", path), "expected a single picture"),
    "frames.webp": (lambda path: pages("WEBP", path), "expected a single picture"),
    "views.jpg": (lambda path: pages("MPO", path), "expected a single picture"),
    "wavelets.jp2": (
        lambda path: Image.fromarray(picture(32, 32, 3)).save(path),
        "that Pillow can read \\(PNG, JPEG",
    ),
    "cut.png": (lambda path: path.write_bytes(photo_bytes()[:-40]), "that Pillow can read"),
    "noise.tif": (lambda path: path.write_bytes(b"II*\0\x08\0\0\0" + bytes(range(60))), "that Pillow can read"),
}
"""File → what writes it and what is said: files of which Pillow shows a part, or nothing."""


def photo_bytes() -> bytes:
    """A PNG file."""
    stream = io.BytesIO()
    Image.fromarray(picture(20, 20, 3)).save(stream, "PNG")
    return stream.getvalue()


@pytest.mark.parametrize("name", LOST)
@pytest.mark.parametrize("option", ["picture", "--reference"])
def test_what_the_reader_would_lose_is_refused(name, option, tmp_path, capsys, toy):
    write, words = LOST[name]
    write(tmp_path / name)
    Image.fromarray(picture(8, 9, 3)).save(tmp_path / "photo.png")
    given = (
        [str(tmp_path / name)]
        if option == "picture"
        else [str(tmp_path / "photo.png"), option, str(tmp_path / name)]
    )
    assert main([*given, "--out", str(tmp_path / "out.png")]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"error: {option}: expected") and re.search(words, said)
    assert said.count("\n") == 1 and not (tmp_path / "out.png").exists()


@pytest.mark.parametrize("name", [n for n, (_, words) in LOST.items() if "single" in words or "found 16" in words])
def test_an_open_file_in_python_is_refused_alike(name, tmp_path):
    LOST[name][0](tmp_path / name)
    try:
        image = Image.open(tmp_path / name)
    except OSError:
        pytest.skip("this Pillow does not open it at all")
    with image, pytest.raises(ValueError, match=LOST[name][1]):
        read_picture(image)


@pytest.mark.parametrize("kind", ["GIF", "TIFF", "PNG", "WEBP", "MPO"])
def test_one_frame_by_itself_is_a_picture(kind, tmp_path):
    pages(kind, tmp_path / "two")
    with Image.open(tmp_path / "two") as image:
        image.seek(1)
        assert read_picture(image.copy()).planes.shape[-2:] == (8, 9)


@pytest.mark.parametrize("kind", ["GIF", "TIFF", "PNG", "WEBP", "JPEG", "BMP", "PPM"])
@pytest.mark.parametrize("loaded", [False, True])
def test_single_pictures_of_all_formats_are_read(kind, loaded, tmp_path):
    Image.fromarray(picture(8, 9, 3)).save(tmp_path / "one", format=kind)
    with Image.open(tmp_path / "one") as image:
        if loaded:
            image.load()
        expected = np.asarray(image.convert("RGB"))
        assert np.array_equal(np.asarray(read_picture(image).back(read_picture(image).planes)), expected)
    closed = Image.open(tmp_path / "one")
    with closed:
        closed.load()
    assert read_picture(closed).planes.shape == (3, 1, 8, 9)


@pytest.mark.parametrize("mode", ["I;16", "L", "LA", "RGBA"])
@pytest.mark.parametrize("kind", [".png", ".tif"])
def test_every_kind_comes_out_as_it_went_in(mode, kind, tmp_path, toy):
    given = (
        Image.fromarray(picture(8, 9).astype(np.uint16) * 250)
        if mode == "I;16"
        else Image.fromarray(picture(8, 9, 4)).convert(mode)
    )
    given.save(tmp_path / f"given{kind}")
    assert main([str(tmp_path / f"given{kind}"), "--steps", "0", "--out", str(tmp_path / f"out{kind}")]) == 0
    with Image.open(tmp_path / f"out{kind}") as found:
        assert found.mode == mode and np.array_equal(np.asarray(found), np.asarray(given))


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["."], "picture: expected a picture file, found the folder ."),
        ([".."], "picture: expected a picture file, found the folder .."),
        (["/"], "picture: expected a picture file, found the folder /"),
        ([""], "picture: expected a picture file, found the folder ."),
        (["pipe"], "picture: expected a picture file, found no file pipe"),
        (["photo.png", "--reference", "."], "--reference: expected a picture file, found the folder ."),
        (["photo.png", "--out", "."], "--out: expected a .png or .tif file"),
        (["photo.png", "--out", ""], "--out: expected a .png or .tif file"),
        (["photo.png", "--out", "folder.png"], "--out: expected a file to write, found the folder folder.png"),
        (["photo.png", "--out", "photo.png/x.png"], "--out: expected a place to write"),
    ],
)
def test_places_that_are_no_files(arguments, words, tmp_path, capsys, toy, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Image.fromarray(picture(8, 8)).save("photo.png")
    os.mkfifo("pipe")
    Path("folder.png").mkdir()
    assert main(arguments) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ") and words in said and said.count("\n") == 1
