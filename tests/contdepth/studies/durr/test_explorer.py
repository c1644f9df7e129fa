"""The picture to drag."""

from __future__ import annotations

import json
import re

import pytest
import torch

from contdepth.studies.durr.explorer import explorer


def test_the_picture_to_drag_has_its_data_and_no_other_host():
    curves = {"a < b": torch.tensor([[1.0, 2.123], [3, 4]]), "second": torch.ones(2, 2)}
    html = explorer(
        "one", curves, torch.zeros(2, 2, 8, 8), [15, 25.5], colours=["#000", "#fff"], alt='a "b"', plot="p"
    )
    data = json.loads(re.search(r"var d = (\{.*?\}), root", html).group(1).replace("<\\/", "</"))
    assert data["levels"] == [15, 25.5] and data["steps"] == 1 and data["curves"]["a < b"] == [[1, 2.12], [3, 4]]
    assert len(data["crops"]) == 2 and all(len(row) == 2 for row in data["crops"])
    assert "http" not in html and "__" not in html and 'alt="a &quot;b&quot;"' in html
    with pytest.raises(ValueError, match="curves"):
        explorer(
            "one", {"a": torch.ones(2, 3)}, torch.zeros(2, 2, 8, 8), [1, 2], colours=["#000"], alt="", plot=""
        )
