"""Tables of pages: the best figure is the smallest that is printed, group by group."""

import re

import pytest

from contdepth.studies.common.tables import table

GROUPS = {
    "noise 0": {"A": ["0.8", "10.5", "2"], "B": ["3.1", "9.0", "1"], "C": ["0.8", "12.0", "3"]},
    "noise 1": {"A": ["1.5", "2.0", "2"]},
}


def bold(html):
    return re.findall(r"<strong>(.*?)</strong>", html)


def test_the_smallest_of_each_group_is_bold():
    html = table("Errors", ["method", "a", "b", "seconds"], GROUPS, smallest=[1, 2])
    assert bold(html) == [
        "0.8",
        "9.0",
        "0.8",
    ]  # both equal figures; none alone in its group, none of the last column


def test_it_is_compared_as_numbers():
    assert bold(table("E", ["", "a"], {"": {"A": ["9.0"], "B": ["10.0"]}}, smallest=[1])) == ["9.0"]


def test_parts_of_a_table():
    html = table("Errors < 1", ["method", "a", "b", "seconds"], GROUPS)
    assert html.count("<tbody>") == 2 and html.count('scope="rowgroup" colspan="4"') == 2
    assert html.count('scope="row"') == 4 and html.count('scope="col"') == 4 and not bold(html)
    assert "Errors &lt; 1" in html and 'tabindex="0"' in html
    assert "rowgroup" not in table("E", ["", "a"], {"": {"A": ["1"]}})


def test_wrong_cells_are_named():
    with pytest.raises(ValueError, match="groups: expected 2 cells in each row, found 1 in the row 'A'"):
        table("E", ["", "a", "b"], {"": {"A": ["1"]}})
    with pytest.raises(ValueError, match="a number in each row of a column of smallest"):
        table("E", ["", "a"], {"": {"A": ["1"], "B": ["–"]}}, smallest=[1])
