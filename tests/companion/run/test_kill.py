"""A few of the trials of ``tests/companion/kill_trials.py``."""

from kill_trials import trials


def test_what_is_killed_leaves_no_half_written_file_and_no_stale_run_called_fresh(tmp_path):
    found = trials(tmp_path, 10, seed=1)
    assert found.faults == []
    assert sum(times for what, times in found.seen.items() if what.startswith("run")) == 3
    assert sum(times for what, times in found.seen.items() if what.startswith("writer")) == 7
