from hypothesis import given
from hypothesis import strategies as st

from harness.retention import superseded
from harness.spec.run_config import CheckpointConfig

LOSSES = {10: 0.5, 20: 0.1, 30: 0.3, 40: 0.2, 50: 0.4}


def test_the_newest_are_kept_two_by_default():
    assert superseded(LOSSES, CheckpointConfig(), 50) == [10, 20, 30]


def test_the_best_are_kept_besides_the_newest():
    assert superseded(LOSSES, CheckpointConfig(keep_last=1, keep_best=1), 50) == [10, 30, 40]


def test_one_that_is_both_new_and_best_counts_for_both():
    assert superseded(LOSSES, CheckpointConfig(keep_last=2, keep_best=2), 50) == [10, 30]


def test_of_equal_losses_the_later_one_is_kept():
    losses = {10: 0.1, 20: 0.1, 30: 0.9}
    assert superseded(losses, CheckpointConfig(keep_last=1, keep_best=1), 50) == [10]


def test_nothing_goes_while_there_are_no_more_than_are_kept():
    assert superseded({10: 0.1}, CheckpointConfig(keep_last=3, keep_best=1), 50) == []
    assert superseded({}, CheckpointConfig(), 50) == []


def test_one_of_a_run_that_was_stopped_goes_with_the_next_regular_one():
    config = CheckpointConfig(every=20, keep_last=2, keep_best=1)
    assert superseded({20: 0.3, 27: 0.1}, config, 50) == []
    assert superseded({20: 0.3, 27: 0.1, 40: 0.2}, config, 50) == [27]
    assert superseded({20: 0.3, 40: 0.2, 50: 0.1}, config, 50) == [20]
    assert superseded({7: 0.3, 9: 0.3}, config, 50) == [7]


@given(
    st.dictionaries(st.integers(1, 1000), st.floats(0, 10), max_size=20),
    st.integers(1, 5),
    st.integers(0, 5),
)
def test_what_goes_is_neither_new_nor_better_than_what_stays(losses, keep_last, keep_best):
    config = CheckpointConfig(keep_last=keep_last, keep_best=keep_best)
    gone = superseded(losses, config, 1000)
    stay = losses.keys() - gone
    assert stay >= set(sorted(losses)[-keep_last:])
    assert len(stay) <= keep_last + keep_best
    if keep_best and gone:
        best = sorted(losses[step] for step in stay)[:keep_best]
        assert min(losses[step] for step in gone) >= best[-1]
