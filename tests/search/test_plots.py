from __future__ import annotations

import logging
import math
import random
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
import optuna
import pytest
from matplotlib import image, pyplot
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState, create_trial
from plotly.offline import get_plotlyjs

from harness.search.plot_choice import Plot, plots_of, wants_log
from harness.search.plot_pictures import MAX_LEGEND
from harness.search.plots import write_plots

RATE = "optimizer.learning_rate"
RATES = FloatDistribution(1e-4, 1e-1, log=True)
NAMES = CategoricalDistribution(["sgd", "adamw", "</script><b>lion</b>", "$x^2$"])
PLOTLY = get_plotlyjs()
ABOUT_TWO = ["slice", "parallel_coordinate", "param_importances"]


@pytest.fixture(autouse=True)
def _no_remarks() -> Any:
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    yield
    optuna.logging.set_verbosity(before)


def study_of(trials: Sequence[Any], *directions: str, names: Sequence[str] = ()) -> optuna.Study:
    study = optuna.create_study(directions=directions or ["minimize"])
    if names:
        with pytest.warns(optuna.exceptions.ExperimentalWarning):
            study.set_metric_names(list(names))
    study.add_trials(trials)
    return study


def rate_trial(rate: float, value: float | None, state=TrialState.COMPLETE, curve=None) -> Any:
    return create_trial(
        state=state,
        value=value,
        params={RATE: rate},
        distributions={RATE: RATES},
        intermediate_values=curve or {},
    )


def rate_study(num_trials: int = 20) -> optuna.Study:
    """One log parameter; each tenth of the trials diverged, was pruned, failed."""
    trials = []
    for number in range(num_trials):
        rate = 10 ** (-4 + 3 * number / num_trials)
        loss = 1 + 3 * (math.log10(rate) + 2.5) ** 2
        curve = {step: loss + 50 / step for step in range(1, 9)}
        if number % 10 == 4:
            early = dict(list(curve.items())[:3])
            trials.append(rate_trial(rate, None, TrialState.PRUNED, early))
        elif number % 10 == 6:
            trials.append(rate_trial(rate, None, TrialState.FAIL))
        elif number % 10 == 8:
            trials.append(rate_trial(rate, math.inf, curve={1: 9.0, 2: 99.0, 3: math.inf}))
        else:
            trials.append(rate_trial(rate, loss, curve=curve))
    return study_of(trials, names=["train/loss"])


def two_parameters(num_objectives: int = 1, num_trials: int = 24) -> optuna.Study:
    """A number, a choice and, for one choice only, a third parameter."""
    draw, trials = random.Random(0), []
    for number in range(num_trials):
        name, rate = draw.choice(NAMES.choices), 10 ** draw.uniform(-4, -1)
        params: dict[str, Any] = {RATE: rate, "optimizer.name": name}
        distributions: dict[str, Any] = {RATE: RATES, "optimizer.name": NAMES}
        if name == "sgd":
            params["optimizer.momentum"] = draw.random()
            distributions["optimizer.momentum"] = FloatDistribution(0, 1)
        loss = math.inf if number % 8 == 7 else 1 + 3 * (math.log10(rate) + 2.5) ** 2
        values = [loss, draw.random(), 2.0 + number, -1.0 * number][:num_objectives]
        trials.append(create_trial(values=values, params=params, distributions=distributions))
    return study_of(trials, *["minimize", "maximize", "minimize", "minimize"][:num_objectives])


def pictures(folder: Path) -> set[str]:
    return {path.stem for path in folder.glob("*.png")}


def check_files(study: optuna.Study, folder: Path, names: Sequence[str]) -> str:
    """The files are those expected and well-formed; the page without plotly.js."""
    files = write_plots(study, folder, "a <b>title</b> & more")
    assert [path.name for path in files] == ["search.html", *(f"{name}.png" for name in names)]
    assert sorted(folder.iterdir()) == sorted(files)
    for path in files[1:]:
        height, width, _ = image.imread(path).shape
        assert 600 <= height <= 900
        assert 700 <= width <= 3000
    assert files[0].stat().st_size <= 6_000_000
    text = files[0].read_text(encoding="utf-8")
    assert text.count(PLOTLY) == bool(names)
    own = text.replace(PLOTLY, "")
    assert not re.search(r"<script [^>]*src|<link|<img|@import|url\(", own)
    assert "<h1>a &lt;b&gt;title&lt;/b&gt; &amp; more</h1>" in own
    assert own.count("<h2>") == own.count("Plotly.newPlot") == len(names)
    assert own.count("<script>") == own.count("</script>")
    assert "<b>" not in own
    return own


def by_file(study: optuna.Study) -> dict[str, Plot]:
    return {plot.file: plot for plot in plots_of(study)}


def test_one_parameter_is_drawn_against_the_loss(tmp_path):
    text = check_files(
        rate_study(), tmp_path, ["optimization_history", "slice", "intermediate_values"]
    )
    assert f"<h2>{RATE} against train/loss</h2>" in text
    assert "20 trials: 16 complete, 2 pruned, 2 failed, 2 of the complete ones with" in text


def test_parameters_that_a_choice_brings_with_it_are_drawn_too(tmp_path):
    text = check_files(two_parameters(), tmp_path, ["optimization_history", *ABOUT_TWO])
    assert "optimizer.momentum" in text
    assert "lion" in text


@pytest.mark.parametrize("num_objectives", [2, 3, 4])
def test_several_objectives_have_a_front_and_plots_of_each(num_objectives, tmp_path):
    front = [] if num_objectives == 4 else ["pareto_front"]
    each = [f"{name}_{index}" for index in range(num_objectives) for name in ABOUT_TWO]
    check_files(two_parameters(num_objectives), tmp_path, [*front, *each])


@pytest.mark.parametrize(
    "study",
    [
        study_of([]),
        study_of([rate_trial(1e-3, None, TrialState.FAIL)] * 3),
        study_of([rate_trial(1e-3, math.inf), rate_trial(1e-2, math.inf)]),
        study_of([create_trial(state=TrialState.WAITING)]),
        study_of([create_trial(values=[1.0, math.inf])], "minimize", "minimize"),
    ],
    ids=["empty", "failed", "infinite", "waiting", "half"],
)
def test_a_study_with_nothing_to_draw_has_a_page_that_says_so(study, tmp_path):
    assert "No trial has come to a value that can be drawn." in check_files(study, tmp_path, [])


def test_a_diverged_trial_is_drawn_as_far_as_it_came(tmp_path):
    study = study_of([rate_trial(1e-3, math.inf, curve={1: 4.0, 2: math.inf})])
    check_files(study, tmp_path, ["intermediate_values"])


def test_a_single_trial_is_enough_for_history_and_slices(tmp_path):
    check_files(study_of([rate_trial(1e-3, 2.0)]), tmp_path, ["optimization_history", "slice"])


def test_trials_that_are_all_equal_have_no_importances(tmp_path):
    distributions = {"a": IntDistribution(1, 8), "b": CategoricalDistribution([True, None])}
    trial = create_trial(value=2.0, params={"a": 4, "b": None}, distributions=distributions)
    names = ["optimization_history", "slice", "parallel_coordinate"]
    check_files(study_of([trial] * 3), tmp_path, names)


def test_a_choice_may_be_a_list(tmp_path):
    with pytest.warns(UserWarning, match="Choices for a categorical distribution"):
        betas = CategoricalDistribution([[0.9, 0.95], [0.9, 0.99]])  # type: ignore[list-item]
    trials = [
        create_trial(
            value=float(number),
            params={"betas": betas.choices[number % 2], RATE: 1e-3},
            distributions={"betas": betas, RATE: RATES},
        )
        for number in range(4)
    ]
    check_files(study_of(trials), tmp_path, ["optimization_history", *ABOUT_TWO])


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
@pytest.mark.parametrize("seed", range(4))
def test_no_study_with_little_in_it_raises_or_warns(seed, direction, tmp_path):
    draw = random.Random(seed)
    wild = [-1e308, -3.0, 0.0, 1e-320, 1.0, 40.0, 1e199, 1e308, math.inf, -math.inf]
    spaces: dict[str, Any] = {
        "a": FloatDistribution(1e-9, 1.0, log=True),
        "b": IntDistribution(1, 3),
        "c": CategoricalDistribution(["名前", "1", "2"]),
    }
    trials = []
    for _ in range(draw.randint(1, 7)):
        some = {name: space for name, space in spaces.items() if draw.random() < 0.7}
        choices: dict[str, Any] = {"a": [1e-9, 1e-3], "b": [1, 3], "c": spaces["c"].choices}
        params = {name: draw.choice(choices[name]) for name in some}
        curve = {step: draw.choice(wild) for step in range(draw.randint(0, 2))}
        trials.append(
            create_trial(
                value=draw.choice(wild),
                params=params,
                distributions=some,
                intermediate_values=curve,
            )
        )
    write_plots(study_of(trials, direction), tmp_path, "wild")


def test_values_over_more_than_a_decade_are_on_a_logarithmic_axis(tmp_path):
    assert wants_log([1.0, 11.0])
    assert not wants_log([1.0, 9.0])
    assert not wants_log([-1.0, 100.0])
    assert not wants_log([0.0, 100.0])
    assert not wants_log([])
    near, far = (
        by_file(study_of([rate_trial(1e-3, 1.0), rate_trial(1e-2, value)])) for value in (2.0, 50.0)
    )
    for name in ("optimization_history", "slice"):
        assert near[name].log_axes == ""
        assert far[name].log_axes == "y"
    curves = by_file(study_of([rate_trial(1e-3, 1.0, curve={1: 50.0, 2: 1.0, 3: math.inf})]))
    assert curves["intermediate_values"].log_axes == "y"


def test_what_is_better_is_said_for_each_direction():
    trials = [rate_trial(1e-3, 1.0)]
    assert "lower is better" in by_file(study_of(trials))["optimization_history"].reading
    upward = by_file(study_of(trials, "maximize"))
    assert "higher is better" in upward["optimization_history"].reading
    assert "highest" in upward["slice"].reading


def test_importances_ask_for_the_best_and_not_for_the_lowest():
    plots = by_file(two_parameters(2))
    trial = create_trial(values=[2.0, 3.0])
    assert plots["param_importances_0"].arguments["target"](trial) == 2.0
    assert plots["param_importances_1"].arguments["target"](trial) == -3.0


def test_many_curves_do_not_make_the_picture_longer(tmp_path):
    shapes = []
    for count in (MAX_LEGEND, 64):
        folder = tmp_path / str(count)
        folder.mkdir()
        write_plots(rate_study(count), folder, "x")
        shapes.append(image.imread(folder / "intermediate_values.png").shape)
    assert abs(shapes[0][0] - shapes[1][0]) < 50


def test_pyplot_and_the_loggers_are_as_they_were(tmp_path, caplog):
    canvas = matplotlib.get_backend()
    pyplot.switch_backend("svg")
    theirs = pyplot.figure()
    try:
        optuna.logging.set_verbosity(optuna.logging.INFO)
        settings = dict(matplotlib.rcParams)
        with caplog.at_level(logging.INFO):
            write_plots(two_parameters(), tmp_path, "x")
        assert matplotlib.get_backend() == "svg"
        assert dict(matplotlib.rcParams) == settings
        assert pyplot.get_fignums() == [theirs.number]
        assert pyplot.gcf() is theirs
        assert optuna.logging.get_verbosity() == optuna.logging.INFO
    finally:
        pyplot.close(theirs)
        pyplot.switch_backend(canvas)


def test_figures_are_closed_when_a_picture_cannot_be_written(tmp_path):
    with pytest.raises(FileNotFoundError):
        write_plots(rate_study(), tmp_path / "nowhere", "x")
    (tmp_path / "slice.png").mkdir()
    with pytest.raises(IsADirectoryError):
        write_plots(rate_study(), tmp_path, "x")
    assert pyplot.get_fignums() == []


def test_the_study_is_left_as_it_was(tmp_path):
    study = rate_study()
    before = study.get_trials()
    write_plots(study, tmp_path, "x")
    assert study.get_trials() == before
