"""The view of a sweep, as the tag that MLflow's page reads; `browser/` looks at the page itself."""

import json

import pytest

from harness.spec.metrics import METRICS
from harness.tracking import keys
from harness.tracking.experiments import ensure_mlflow_experiment
from harness.tracking.view import set_view, view_link


def state_of(store, *arguments, **flags):
    experiment = ensure_mlflow_experiment(store, "s")
    set_view(store, experiment, *arguments, **flags)
    view = json.loads(store.client.get_experiment(experiment).tags[keys.VIEW])
    assert view["name"] == "harness"
    return json.loads(view["state"])


def test_the_view_shows_loss_state_claims_and_what_differs_sorted_by_loss(store):
    state = state_of(store, ["optimizer.lr", "train.batch_size"])
    assert state["selectedColumns"] == [
        "metrics.`train/loss`",
        "tags.`harness.experiment`",
        "tags.`harness.state`",
        "tags.`harness.expect`",
        "params.`optimizer.lr`",
        "params.`train.batch_size`",
    ]
    assert (state["orderByKey"], state["orderByAsc"]) == ("metrics.`train/loss`", True)


def test_the_view_lists_what_no_group_and_no_search_stands_for_and_nothing_replaces(
    store, recorder, run_to_record
):
    names = ["single", "member", "superseded"]
    single, member, superseded = (recorder.begin(run_to_record(name)) for name in names)
    recorder.set_tag(member, keys.PARENT_RUN_ID, single)
    recorder.supersede(superseded, single)
    experiment = store.client.get_run(single).info.experiment_id
    found = store.client.search_runs([experiment], state_of(store, [])["searchFilter"])
    assert [run.info.run_id for run in found] == [single]


def drawn(state):
    """The charts that stay, as (section, kind, what is drawn)."""
    sections = {section["uuid"]: section["name"] for section in state["compareRunSections"]}
    return [
        (
            sections[chart["metricSectionId"]],
            chart["type"],
            chart.get("selectedMetricKeys", [chart["metricKey"]]),
        )
        for chart in state["compareRunCharts"]
        if not chart["deleted"]
    ]


def test_curves_are_in_the_one_open_section_and_last_values_are_bars(store):
    state = state_of(store, [])
    assert ("curves", "LINE", ["train/loss"]) in drawn(state)
    assert ("train", "BAR", ["train/perplexity"]) in drawn(state)
    assert {metric for _, _, (metric,) in drawn(state)} == set(METRICS)
    assert [s["name"] for s in state["compareRunSections"] if s["display"]] == ["curves"]
    (loss,) = [c for c in state["compareRunCharts"] if c["metricKey"] == "train/loss"]
    assert loss["scaleType"] == "log"


def test_the_ends_of_intervals_are_drawn_with_their_mean_and_have_no_charts_of_their_own(store):
    state = state_of(store, [], has_groups=True, has_searches=True)
    assert ("curves", "LINE", ["train/loss", "train/loss.low", "train/loss.high"]) in drawn(state)
    assert ("search", "LINE", ["search/best_value"]) in drawn(state)
    gone = {c["metricKey"] for c in state["compareRunCharts"] if c["deleted"]}
    assert gone >= {"train/loss.low", "train/loss.high"}
    assert state["selectedColumns"][1:3] == [
        "metrics.`train/loss.low`",
        "metrics.`train/loss.high`",
    ]


def test_a_view_that_stays_the_same_is_not_written_again(store):
    experiment = ensure_mlflow_experiment(store, "s")
    set_view(store, experiment, ["optimizer.lr"])
    before = store.client.get_experiment(experiment).tags[keys.VIEW]
    set_view(store, experiment, ["optimizer.lr"])
    assert store.client.get_experiment(experiment).tags[keys.VIEW] == before
    set_view(store, experiment, ["train.steps"])
    assert store.client.get_experiment(experiment).tags[keys.VIEW] != before


@pytest.mark.parametrize("damaged", ["not JSON", "[1]"])
def test_a_damaged_view_is_replaced(store, damaged):
    experiment = ensure_mlflow_experiment(store, "s")
    store.client.set_experiment_tag(experiment, keys.VIEW, damaged)
    set_view(store, experiment, [])
    assert json.loads(store.client.get_experiment(experiment).tags[keys.VIEW])["name"] == "harness"


def test_the_link_opens_the_view():
    assert view_link("7") == "#/experiments/7/runs?viewStateShareKey=harness"
