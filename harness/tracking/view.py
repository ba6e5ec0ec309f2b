"""The view that MLflow's page of a sweep opens with: columns, order, filter and charts.

It is an experiment tag that MLflow's page reads (3.17, seen in Chromium; undocumented, so nothing
depends on it). In the list: final loss, state, claims and the settings that differ, sorted by
loss, one row a group of seeds, a search, and a run that is in neither; what another record has
superseded is left out, and clearing the filter shows all.

On the chart page: one open section with the curves, on a logarithmic axis. Where the sweep has
groups, a curve's chart also draws the ends of its interval. Left to itself, MLflow draws a chart of
its own for every metric that no chart is about; those of the ends are here, as deleted ones, so
that it does not. What has one value a run is a bar, in sections that are closed.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence

from harness.spec.metrics import METRICS
from harness.tracking import keys
from harness.tracking.store import Store
from harness.tracking.told import told

MAX_VIEW_PARAMS = 12
FILTER = f"tags.`{keys.PARENT_RUN_ID}` IS NULL AND tags.`{keys.SUPERSEDED_BY}` IS NULL"
CURVES_SECTION = "curves"
CHART_HEIGHT = 480  # pixels

_Json = dict[str, object]


def set_view(
    store: Store,
    experiment_id: str,
    differing_params: Sequence[str],
    *,
    has_groups: bool = False,
    has_searches: bool = False,
) -> None:
    """Write the view `harness`; `differing_params` are dotted paths of settings."""
    state = json.dumps(_view_state(differing_params, has_groups, has_searches))
    with told(store.uri, "write the view"):
        experiment = store.client.get_experiment(experiment_id)
        if _state_of(experiment.tags.get(keys.VIEW)) == state:
            return
        now = int(time.time() * 1000)
        view = {"name": keys.VIEW_NAME, "createdAt": now, "updatedAt": now, "state": state}
        store.client.set_experiment_tag(experiment_id, keys.VIEW, json.dumps(view))


def view_link(experiment_id: str) -> str:
    """The part of the address, after the server's, that shows the experiment in our view."""
    return f"#/experiments/{experiment_id}/runs?viewStateShareKey={keys.VIEW_NAME}"


def _view_state(differing_params: Sequence[str], has_groups: bool, has_searches: bool) -> _Json:
    loss = f"metrics.`{keys.TRAIN_LOSS}`"
    ends = [f"metrics.`{keys.TRAIN_LOSS}{end}`" for end in (keys.LOW, keys.HIGH) if has_groups]
    params = [f"params.`{name}`" for name in differing_params[:MAX_VIEW_PARAMS]]
    tags = [f"tags.`{key}`" for key in (keys.EXPERIMENT, keys.STATE, keys.EXPECT)]
    return {
        "selectedColumns": [loss, *ends, *tags, *params],
        "orderByKey": loss,
        "orderByAsc": True,
        "searchFilter": FILTER,
        "runsHiddenMode": "FIRST_20_RUNS",
        "compareRunCharts": list(_charts(has_groups, has_searches)),
        "compareRunSections": _sections(has_searches),
        "isAccordionReordered": True,  # the sections stay in this order
        "hideEmptyCharts": True,
    }


def _charts(has_groups: bool, has_searches: bool) -> Iterator[_Json]:
    for metric, about in METRICS.items():
        if about.recorded == "last step":
            yield _chart("BAR", metric, metric.partition("/")[0])
            continue
        ends = [metric + end for end in (keys.LOW, keys.HIGH) if has_groups]
        drawn = {"selectedMetricKeys": [metric, *ends], "scaleType": "log", "displayName": metric}
        yield _chart("LINE", metric, CURVES_SECTION) | drawn
        for end in ends:
            yield _chart("LINE", end, CURVES_SECTION) | {"deleted": True}
    if has_searches:
        yield _chart("LINE", keys.BEST_VALUE, keys.BEST_VALUE.partition("/")[0])


def _chart(kind: str, metric: str, section: str) -> _Json:
    """A chart as MLflow's page keeps it; what is not said here, its charts of one metric share."""
    shared = {"runsCountToCompare": 10, "deleted": False, "isGenerated": False}
    line = {
        "lineSmoothness": 0,
        "xAxisScaleType": "linear",
        "scaleType": "linear",
        "range": {},
        "xAxisKey": "step",
        "selectedXAxisMetricKey": "",
        "yAxisKey": "metric",
        "yAxisExpressions": [],
        "ignoreOutliers": False,
        "useGlobalXaxisKey": True,
        "useGlobalLineSmoothing": True,
    }
    of_kind: _Json = {**line} if kind == "LINE" else {}
    name = metric.rpartition("/")[2]
    names = {"uuid": f"{keys.VIEW_NAME}-{metric}", "metricKey": metric, "displayName": name}
    return {"type": kind, **names, "metricSectionId": _section_id(section), **shared, **of_kind}


def _sections(has_searches: bool) -> list[_Json]:
    """The section of the curves, open; those named as MLflow names them, by a metric's prefix."""
    last = [metric for metric, about in METRICS.items() if about.recorded == "last step"]
    names = dict.fromkeys(metric.partition("/")[0] for metric in last)
    if has_searches:
        names[keys.BEST_VALUE.partition("/")[0]] = None
    curves = {**_section(CURVES_SECTION), "display": True, "columns": 1, "cardHeight": CHART_HEIGHT}
    return [curves, *(_section(name) for name in names)]


def _section(name: str) -> _Json:
    return {
        "uuid": _section_id(name),
        "name": name,
        "display": False,
        "isReordered": False,
        "deleted": False,
        "isGenerated": True,
    }


def _section_id(name: str) -> str:
    return f"{keys.VIEW_NAME}-section-{name}"


def _state_of(view: str | None) -> str | None:
    try:
        stored = json.loads(view) if view else {}
    except ValueError:
        return None
    return stored.get("state") if isinstance(stored, dict) else None
