from __future__ import annotations

import pytest

from harness.errors import UsageError
from harness.spec.metrics import METRICS, check_metric


def test_every_metric_says_where_it_is_recorded():
    assert {name: about.recorded for name, about in METRICS.items()} == {
        "train/loss": "every step",
        "val/loss": "evaluations",
        "train/perplexity": "last step",
        "eval/next_token_accuracy": "last step",
    }


def test_the_losses_have_curves_and_less_of_them_is_better():
    losses = [about for name, about in METRICS.items() if name.endswith("/loss")]
    assert losses == [about for about in METRICS.values() if about.is_loss]
    assert not any(about.more_is_better or about.recorded == "last step" for about in losses)


def test_more_is_better_of_the_accuracy_alone():
    better = [name for name, about in METRICS.items() if about.more_is_better]
    assert better == ["eval/next_token_accuracy"]


def test_an_unknown_metric_is_told_with_the_nearest():
    with pytest.raises(UsageError, match=r"no run logs the metric 'val/los'; did you mean val/l"):
        check_metric("val/los")
    with pytest.raises(UsageError, match=r"neither has 'x' \(train/loss, .*, own\\x1b\)$"):
        check_metric("x", ["own\x1b"], nobody="neither has")
    with pytest.raises(UsageError, match="'perplexity'; did you mean train/perplexity"):
        check_metric("perplexity")
    check_metric("own", ["own"])
