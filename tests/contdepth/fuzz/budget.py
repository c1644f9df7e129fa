"""How many odd examples a test takes, and which.

A few, the same ones every time, in every run of the tests. With ``CONTDEPTH_FUZZ=2000`` that many, drawn anew each
time (``--hypothesis-seed=N`` draws the same again).
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, Phase, settings


def fuzzed(few: int) -> settings:
    """The settings of a fuzzed test that takes ``few`` examples in every run of the tests."""
    many = os.environ.get("CONTDEPTH_FUZZ")
    return settings(
        max_examples=int(many or few),
        deadline=None,
        derandomize=not many,
        database=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
