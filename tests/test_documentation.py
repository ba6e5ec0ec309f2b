"""The documents say what is: their paths exist, their commands parse, their examples are valid."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import typer.testing

from harness.cli.main import app
from harness.spec.load import load_sweep

ROOT = Path(__file__).parent.parent
DOCUMENTS = sorted(
    path for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("benchmarks/*.md")]
)
README = (ROOT / "README.md").read_text(encoding="utf-8")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
COMMANDS = [
    *("run", "search", "plan", "validate", "schema"),
    *("ls", "show", "diff", "export", "compare", "report", "eval", "generate", "gc", "ui"),
]


def paths_named_in(text: str) -> set[str]:
    """What stands in backticks and looks like a path of this repository."""
    quoted = re.findall(r"`([^`\n]+)`", text)
    return {
        q for q in quoted if re.fullmatch(r"(harness|tests|benchmarks|examples|docs|\.ci)/\S*", q)
    }


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_paths_that_a_document_names_exist(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    missing = {path for path in paths_named_in(text) if not (ROOT / path).exists()}
    assert not missing


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_inside_the_repository_lead_somewhere(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)#:]+)\)", text)
    assert all((document.parent / link).exists() for link in links), links


def test_every_place_of_where_to_add_a_new_thing_exists_and_holds_its_table() -> None:
    section = CONTRIBUTING.split("## Where to add a new thing")[1].split("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| a")]
    assert len(rows) >= 10
    for row in rows:
        paths = [path for path in paths_named_in(row) if path.endswith(".py")]
        tables = re.findall(r"`([A-Z_]{4,})`", row)
        for table in tables:
            assert any(f"{table}" in (ROOT / path).read_text(encoding="utf-8") for path in paths), (
                row
            )


def test_the_readme_opens_with_the_two_commands() -> None:
    assert "pip install -c constraints.txt -e . && harness run experiments.yaml" in README
    assert "pip install -c constraints.txt -e '.[test]' && pytest" in README


def test_every_command_is_in_the_readme_and_the_other_way_round() -> None:
    registered = {command.name for command in app.registered_commands}
    assert registered == set(COMMANDS)
    assert all(f"`harness {name}" in README for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_flag_that_the_readme_gives_a_command_exists(name: str) -> None:
    row = next(line for line in README.splitlines() if line.startswith(f"| `harness {name}"))
    flags = set(re.findall(r"(?<![\w-])(--?[a-z][a-z-]*)", row))
    runner = typer.testing.CliRunner()
    shown = runner.invoke(app, shlex.split(f"{name} --help"), env={"COLUMNS": "200"}).output
    assert flags <= set(re.findall(r"(?<![\w-])(--?[a-z][a-z-]*)", shown))


def test_the_sweep_file_in_the_readme_is_valid(tmp_path: Path) -> None:
    block = re.search(r"```yaml\n(.*?)```", README, re.DOTALL)
    assert block
    file = tmp_path / "experiments.yaml"
    file.write_text(block[1], encoding="utf-8")
    assert [experiment.name for experiment in load_sweep(file).experiments] == ["adamw", "sgd"]


def test_the_python_of_the_readme_names_what_the_package_has() -> None:
    import harness

    names = set(re.findall(r"harness\.([a-zA-Z_]+)\(", README))
    assert {"load_sweep", "run_sweep", "compare", "load_checkpoint"} <= names
    assert names <= set(harness.__all__)
