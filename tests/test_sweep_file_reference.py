"""The reference of the sweep file names every key with its default, and its examples are valid."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from harness.spec.expectations import Expectation
from harness.spec.experiment_entry import EXPERIMENT_KEYS
from harness.spec.header import TOP_KEYS
from harness.spec.layers import SECTIONS
from harness.spec.load import load_sweep
from harness.spec.metrics import METRICS
from harness.spec.optimizers import OPTIMIZERS
from harness.spec.pruners import PRUNERS
from harness.spec.run_config import RunConfig
from harness.spec.samplers import SAMPLERS
from harness.spec.search import SearchConfig

DOCUMENT = (Path(__file__).parent.parent / "docs" / "sweep-file.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```yaml\n(version:.*?)^```$", DOCUMENT, re.DOTALL | re.MULTILINE)
PROSE = re.sub(r"^```.*?^```$", "", DOCUMENT, flags=re.DOTALL | re.MULTILINE)


def under(heading: str) -> str:
    """The text, without examples, from a heading to the next one of any level."""
    found = re.search(rf"^##+ {re.escape(heading)}\n(.*?)(?=^##|\Z)", PROSE, re.DOTALL | re.M)
    assert found, f"no heading {heading}"
    return found[1]


def quoted(text: str) -> set[str]:
    return set(re.findall(r"`([^`\n]+)`", text))


def defaults(text: str) -> dict[str, str]:
    """The second column of the tables in a text, by the key in the first."""
    return dict(re.findall(r"^\| `([^`]+)` \| (.+?) \| ", text, re.MULTILINE))


def model_of(section: str) -> type[BaseModel]:
    annotation = RunConfig.model_fields[section].annotation
    assert isinstance(annotation, type)
    assert issubclass(annotation, BaseModel)
    return annotation


MODELS: dict[str, type[BaseModel]] = {
    **{section: model_of(section) for section in SECTIONS if section != "optimizer"},
    **{f"optimizer: {name}": model for name, model in OPTIMIZERS.items()},
}


@pytest.mark.parametrize("heading", MODELS)
def test_a_section_has_exactly_its_keys_with_their_defaults(heading: str) -> None:
    fields, rows = MODELS[heading].model_fields, defaults(under(heading))
    assert rows.keys() == fields.keys()
    for key, field in fields.items():
        required = field.is_required() or (heading.startswith("optimizer") and key == "name")
        if required or field.default is None:
            assert rows[key] == ("required" if required else "none"), key
        elif isinstance(field.default, str):
            assert rows[key] == f"`{field.default}`", key
        else:
            written = json.loads(rows[key].strip("`"))
            wanted = list(field.default) if isinstance(field.default, tuple) else field.default
            assert written == wanted, key


@pytest.mark.parametrize(
    ("heading", "model"), [("Claims", Expectation), ("Searches", SearchConfig)]
)
def test_claims_and_searches_have_exactly_their_keys(heading: str, model: type[BaseModel]) -> None:
    rows = {key: value for key, value in defaults(under(heading)).items() if key not in METRICS}
    assert rows.keys() == model.model_fields.keys()
    required = {key for key, field in model.model_fields.items() if field.is_required()}
    assert {key for key, value in rows.items() if value == "required"} == required


def test_every_key_of_the_top_level_and_of_an_experiment_is_named() -> None:
    assert defaults(under("Top level")).keys() == set(TOP_KEYS)
    assert set(EXPERIMENT_KEYS) - set(SECTIONS) <= quoted(under("Top level"))
    assert all(f"\n### {section}\n" in DOCUMENT for section in SECTIONS)


def test_every_sampler_and_pruner_is_named_with_its_keys() -> None:
    named = quoted(under("Searches"))
    models = [*SAMPLERS.values(), *PRUNERS.values()]
    assert {*SAMPLERS, *PRUNERS} <= named
    assert {key for model in models for key in model.model_fields} <= named


def test_every_metric_is_named_with_the_steps_that_record_it() -> None:
    rows = dict(re.findall(r"^\| `([^`]+)` \| ([^|]+) \|$", under("Claims"), re.MULTILINE))
    said = {key: value.removeprefix("the ") for key, value in rows.items()}
    assert said == {name: about.recorded for name, about in METRICS.items()}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda text: text.split("\n")[1])
def test_an_example_is_valid(example: str, tmp_path: Path) -> None:
    file = tmp_path / "sweep.yaml"
    file.write_text(example, encoding="utf-8")
    sweep = load_sweep(file)
    assert sweep.experiments or sweep.searches


def test_the_run_names_it_shows_are_those_of_its_example(tmp_path: Path) -> None:
    assert len(EXAMPLES) == 4
    file = tmp_path / "sweep.yaml"
    file.write_text(next(e for e in EXAMPLES if "name: grids" in e), encoding="utf-8")
    text = under("Several runs from one experiment")
    shown = {name for name in quoted(text) if re.match(r"(product|in-step)/", name)}
    assert shown
    assert shown <= {run.name for run in load_sweep(file).runs}


def test_its_lines_are_short() -> None:
    assert max(map(len, DOCUMENT.splitlines())) < 110
