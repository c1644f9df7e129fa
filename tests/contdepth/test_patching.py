"""A test that replaces a function leaves the packages above it as they were, in whatever order tests run."""

import contdepth.schemes
from contdepth.schemes import modified


def test_a_replaced_function_does_not_stay_in_the_packages_above_it(monkeypatch) -> None:
    vars(contdepth.schemes).pop("reduced_field", None)  # as before its first look-up
    monkeypatch.setattr(modified, "reduced_field", fake := lambda f, k, h: f)
    assert modified.reduced_field is fake and contdepth.schemes.reduced_field is not fake
    monkeypatch.undo()
    assert contdepth.schemes.reduced_field is modified.reduced_field is not fake
