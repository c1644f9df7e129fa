"""The picture that moves: its frames, its size, what it says without scripts, and what it refuses."""

from __future__ import annotations

import base64
import io
import json
import re

import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image

from contdepth.studies.common.moving import moving_picture


def _bar(figure, t):
    """A bar that grows with ``t``."""
    ax = figure.subplots()
    ax.barh([0], [t], color="black")
    ax.set(xlim=(0, 1))


def _noise(figure, t):
    """A frame that no coder makes small."""
    pixels = np.random.default_rng(round(100 * t)).random((400, 500))
    figure.subplots().imshow(pixels, interpolation="nearest")


def _data(html):
    return json.loads(re.search(r"var d = (\{.*?\}), root", html).group(1).replace("<\\/", "</"))


def _dark(coded):
    """The share of a frame that is black."""
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(coded))).convert("L"))
    return (pixels < 64).mean()


def test_frames_follow_the_times_and_the_still_picture_is_not_written_twice():
    html = moving_picture("one", _bar, [0.1, 0.5, 1.0], alt='a "bar"', label="s", width=3, height=2, shown=1)
    data = _data(html)
    assert data["times"] == ["0.1", "0.5", "1"] and data["frames"][1] == "" and data["pause"] == 2000
    still = re.search(r'src="data:image/webp;base64,([^"]+)"', html).group(1)
    shares = [_dark(coded) for coded in (data["frames"][0], still, data["frames"][2])]
    assert shares[0] < 0.5 * shares[1] < 0.5 * shares[2] and shares[2] > 0.3
    assert 'alt="a &quot;bar&quot;"' in html and 'value="1"' in html and ">s\n" in html
    assert "http" not in html and "__" not in html and not plt.get_fignums()


def test_the_size_is_kept_and_what_does_not_fit_is_refused():
    assert len(moving_picture("one", _bar, np.linspace(0, 1, 30), alt="a bar", limit_kb=160)) < 160_000
    with pytest.raises(ValueError, match="at most 10 kB"):
        moving_picture("one", _noise, [0, 1], alt="noise", width=3, height=2, limit_kb=10)
    with pytest.raises(ValueError, match="number of times"):
        moving_picture("one", _bar, [0.0], alt="a bar")
    with pytest.raises(ValueError, match="shown"):
        moving_picture("one", _bar, [0.0, 1.0], alt="a bar", shown=2)
    with pytest.raises(ValueError, match="alt"):
        moving_picture("one", _bar, [0.0, 1.0], alt=" ")
    assert not plt.get_fignums()
