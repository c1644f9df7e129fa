"""The table of a contest: one row a method, means over its seeds, the best of each column in bold."""

import re

import numpy as np

from contdepth.studies.pdenet2.contest import Result
from contdepth.studies.pdenet2.contest_table import contest_table

TRUTH = {"u": {"u_xx": 1.0}}
CLEAN, COARSE = ("spectral", 0.0, 1, 1), ("spectral", 0.001, 4, 2)


def result(coefficient, error, wrong=0.0, seconds=1.0):
    errors = np.full((3, 2), error)
    return Result({"u": {"u_xx": coefficient, "u": wrong}}, errors, seconds)


def test_means_names_and_best_values():
    results = {
        ("net", CLEAN, 0): result(0.9, 0.02, 0.03, 9.0),
        ("net", CLEAN, 1): result(0.7, 0.04, 0.01, 7.0),
        ("regression", CLEAN, 0): result(1.05, 0.03, 0.0, 2.0),
        ("net", COARSE, 0): result(0.5, 0.1),
        ("blind", CLEAN, 0): Result(None, np.zeros((3, 2)), 0.1),
    }
    html = contest_table(results, [CLEAN, COARSE], ["regression", "net", "blind"], TRUTH)
    rows = [re.sub(r"<[^>]+>", "|", row) for row in re.findall(r"<tr>(.*?)</tr>", html)]
    cells = [[cell for cell in row.split("|") if cell] for row in rows]
    assert cells[1] == ["data spectral, noise 0 %"]
    assert cells[2] == ["regression", "5.0", "5.0", "0.000", "0.0", "3.00", "2.0"]
    assert cells[3] == ["net", "20.2", "20.0", "0.020", "0.5", "3.00", "8.0"]
    assert cells[4] == ["data spectral, noise 0.1 %, every fourth frame, every second point"]
    assert len(cells) == 6  # a method without equations has no row, nor one that was not run there
    assert re.findall(r"<strong>(.*?)</strong>", html) == ["5.0", "5.0", "0.000", "0.0", "3.00", "3.00"]
