"""Two runs compared to the bit: every value, text and picture counts, clocks alone do not."""

from companion.freshness import identical


def notebook(*outputs, tags=()) -> dict:
    return {"cells": [{"cell_type": "code", "metadata": {"tags": list(tags)}, "outputs": list(outputs)}]}


def shown(data, **payload) -> dict:
    return {"output_type": "display_data", "data": data, "metadata": {"companion": payload} if payload else {}}


def printed(text) -> dict:
    return {"output_type": "stream", "name": "stdout", "text": text}


def differs(before, now, **options) -> bool:
    return identical.compare(before, now, **options).difference is not None


def test_equality_is_to_the_bit_and_leaves_out_clocks_only():
    values = (1 / 3, 0.333333333333333)
    third = [shown({"text/plain": "a"}, check={"claim": "a", "value": value}) for value in values]
    assert differs(*map(notebook, third)) and not differs(*map(notebook, third), clocks={"a"})
    assert differs(notebook(third[0]), notebook(), clocks={"a"})
    zeros = [notebook(shown({"text/plain": ""}, note={"name": "x", "value": value})) for value in (0.0, -0.0)]
    assert differs(*zeros)
    times = [notebook(shown({"text/plain": ""}, note={"name": "time_x", "value": value})) for value in (1.0, 2.0)]
    assert not differs(*times)
    for name, same in (("seconds_x", True), ("x_seconds", True), ("x_ms", True), ("times", False)):
        pair = [notebook(shown({"text/plain": ""}, note={"name": name, "value": value})) for value in (1.0, 2.0)]
        assert differs(*pair) != same
    pictures = [shown({"image/png": text}) for text in ("QUJD", "QUJE")]
    assert differs(*map(notebook, pictures))
    assert differs(*(notebook(one, tags=["nbval-ignore-output"]) for one in pictures))  # means nothing here
    assert not differs(*(notebook(one, tags=["clock"]) for one in pictures))
    assert not differs(notebook(pictures[0]), notebook(pictures[1], tags=["clock"]))  # as tagged today
    assert differs(notebook(pictures[0]), notebook(tags=["clock"]))
    ratios = [shown({"text/plain": ""}, note={"name": "ratio", "value": value}) for value in (1.0, 2.0)]
    assert differs(*map(notebook, ratios)) and not differs(*(notebook(one, tags=["clock"]) for one in ratios))
    assert differs(*(notebook(one, tags=["clock"]) for one in third))
    assert differs(*(notebook(printed(text), tags=["clock"]) for text in "ab"))
    assert not differs(*(notebook(printed(f"{time:5.1f} s a\n"), tags=["clock"]) for time in (1.2, 30.4)))
    hashes = [notebook(shown({"text/plain": "f"}, pictures={"image/png": text})) for text in ("12", "34")]
    assert differs(*hashes) and identical.compare(hashes[0], hashes[0]).figures == 1
    assert not differs(notebook(printed("a"), printed("b\n")), notebook(printed("ab\n")))
    assert not differs(notebook(printed("1 of 2\r2 of 2\n")), notebook(printed("2 of 2\n")))
    assert differs(notebook(printed("at 0x1\n")), notebook(printed("at 0x2\n")))
    assert not differs(notebook(printed("at 0x1\n")), notebook(printed("at 0x2\n")), patterns=[("0x[0-9]", "X")])
    assert identical.compare(notebook(), {"cells": []}).difference == (
        "code cell 1: expected it in both runs, found it in one"
    )
