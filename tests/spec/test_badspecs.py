"""One mistake a file: where it is told, how it is said, and that nothing else happens.

`badspecs/` holds the files and `TOLD` what is said of them. The same is asked of the table of
mistakes in `shared/badspecs`, where a checkout has that folder beside it.
"""

from __future__ import annotations

import contextlib
import csv
import json
import resource
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

import pytest
from spec_files import HEAD, marked, problems
from typer.testing import CliRunner

from harness.cli.main import app
from harness.errors import SweepFileError
from harness.spec.load import load_sweep

HERE = Path(__file__).parent / "badspecs"
SHARED = Path(__file__).parents[2].parent / "shared" / "badspecs"
HARNESS = str(Path(sysconfig.get_path("scripts")) / "harness")
FINE = {"bom", "exponent"}
P = "experiments.plain"

TOLD = [
    ("empty", 1, 1, "", "the file is empty"),
    ("a_list", 1, 1, "", "a sweep is a mapping with version, name"),
    ("tab", 9, 1, "", "a tab cannot indent YAML; use spaces"),
    ("indentation", 11, 5, "", "not valid YAML: while parsing a block mapping"),
    ("latin_1", 10, 5, "", "must be UTF-8, found the byte 0xef"),
    ("nul", 10, 5, "", "the character U+0000 is not allowed"),
    ("second_document", 10, 1, "", "a second YAML document begins here"),
    ("twice", 10, 26, f"{P}.optimizer.lr", "duplicate key 'lr'; it stands on line 10 already"),
    ("loop", 10, 19, "", "the alias *self stands inside its own anchor"),
    ("laughs", 5, 19, "", "more than 30,000 values"),
    ("tag", 9, 10, P, "the tag !!python/object/apply:os.system is not allowed"),
    ("near_key", 10, 13, f"{P}.train.bach_size", "did you mean batch_size?"),
    ("far_key", 10, 13, f"{P}.train.zodiac", "allowed are steps, batch_size, seq_len, engine"),
    ("foreign_key", 10, 17, f"{P}.optimizer.learning_rate", "here it is called lr"),
    ("no_lr", 9, 3, f"{P}.optimizer.lr", "is required and set nowhere for adamw"),
    ("no_version", 1, 1, "", "version is required: version: 1"),
    ("no_name", 1, 1, "", "name is required"),
    ("nothing", 1, 1, "", "nothing is declared: add experiments or searches"),
    ("names_in_a_list", 9, 3, "experiments", "must be a mapping of names to entries"),
    ("lr_text", 10, 21, f"{P}.optimizer.lr", "must be a number, got 'quick'"),
    ("lr_nan", 10, 21, f"{P}.optimizer.lr", "must be finite, got nan"),
    ("lr_negative", 10, 21, f"{P}.optimizer.lr", "must be greater than 0, got -0.2"),
    ("steps_true", 10, 20, f"{P}.train.steps", "must be a whole number, got true"),
    ("steps_negative", 10, 20, f"{P}.train.steps", "must be at least 1, got -2"),
    ("batch_zero", 10, 25, f"{P}.train.batch_size", "must be at least 1, got 0"),
    ("seed_digits", 10, 19, f"{P}.seed.model", "got a whole number of 5,001 digits"),
    ("heads", 10, 24, f"{P}.model.num_heads", "(8) must be divisible by num_heads, got 3"),
    ("context", 10, 22, f"{P}.train.seq_len", "at most model.max_seq_len (16), got 32"),
    ("optimizer_name", 10, 23, f"{P}.optimizer.name", "got 'sgdd'; did you mean sgd?"),
    ("foreign_argument", 10, 37, f"{P}.optimizer.betas", "unknown key 'betas'; allowed are lr"),
    ("no_file", 10, 18, f"{P}.data.file", "nowhere.txt"),
    ("a_device", 10, 18, f"{P}.data.file", "must be a regular file, got a device"),
    ("short_text", 10, 18, f"{P}.data.text", "needs at least 6 (seq_len + 2)"),
    ("slash", 9, 3, "experiments.one/two", "'one/two' may hold none of / , ="),
    ("no_entry_name", 9, 3, "experiments.", "the name is empty"),
    ("control", 9, 3, r"experiments.red\x1b[31m\nline", "holds control characters"),
    ("a_million", 10, 5, f"{P}.matrix", "makes 1,000,000 runs in this file; at most 10,000"),
    ("swept_path", 10, 14, f"{P}.matrix.train.batchsize", "did you mean batch_size?"),
    ("extends_nobody", 10, 20, "experiments.other.extends", "did you mean plain?"),
    ("metric", 10, 23, f"{P}.expect[0].metric", "did you mean train/loss?"),
    ("no_comparison", 10, 14, f"{P}.expect[0]", "says where but not what"),
    ("bounds", 14, 44, "searches.best-lr.space.optimizer.lr.high", "greater than low (0.5)"),
    ("no_trials", 15, 15, "searches.best-lr.n_trials", "must be at least 1, got 0"),
    ("direction", 13, 16, "searches.best-lr.direction", "must be minimize or maximize"),
    ("giant", 10, 24, f"{P}.model.embed_dim", "at most 2,147,483,648 are allowed"),
]


@pytest.mark.parametrize(("name", "line", "column", "path", "part"), TOLD)
def test_the_one_mistake_is_told_at_its_place(name, line, column, path, part):
    begun = time.process_time()
    with pytest.raises(SweepFileError) as caught:
        load_sweep(HERE / f"{name}.yaml")
    assert time.process_time() - begun < 1
    (problem,) = caught.value.problems
    assert (problem.line, problem.column, problem.path) == (line, column, path)
    assert part in problem.message
    assert str(problem).startswith(f"{HERE / name}.yaml:{line}:{column}: ")
    assert all(text.isprintable() for text in str(problem).splitlines())


@pytest.mark.parametrize("name", sorted(FINE))
def test_what_only_looks_wrong_is_read(name):
    assert len(load_sweep(HERE / f"{name}.yaml").runs) == 1


def test_every_bad_file_is_in_the_table():
    assert {file.stem for file in HERE.glob("*.yaml")} == {case[0] for case in TOLD} | FINE


def _harness(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [HARNESS, *arguments], cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )


def _in_this_process(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    with contextlib.chdir(folder):
        done = CliRunner().invoke(app, list(arguments))
    return subprocess.CompletedProcess(arguments, done.exit_code, done.stdout, done.stderr)


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("control", _harness),
        *((name, _in_this_process) for name in ("lr_negative", "tag", "a_million", "latin_1")),
    ],
)
def test_every_command_says_the_same_and_leaves_nothing_behind(tmp_path, name, call):
    file = tmp_path / "bad.yaml"
    file.write_bytes((HERE / f"{name}.yaml").read_bytes())
    said = set()
    for command in ("validate", "plan", "run"):
        done = call(tmp_path, command, "bad.yaml")
        assert (done.returncode, done.stdout) == (2, "")
        assert "Traceback" not in done.stderr
        assert "\x1b[31m" not in done.stderr
        said.add(done.stderr)
    assert len(said) == 1
    assert said.pop().splitlines()[-1].strip() == "^"
    assert list(tmp_path.iterdir()) == [file]


def test_a_refusal_takes_a_second_and_200_mb_at_most(tmp_path):
    # In an interpreter of its own: the peak of a child counts all children before it.
    script = (
        "import resource, subprocess, sys\n"
        "code = subprocess.run(sys.argv[1:], capture_output=True).returncode\n"
        "print(code, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)\n"
    )
    begun = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    command = [sys.executable, "-c", script, HARNESS, "validate", str(HERE / "laughs.yaml")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    code, peak_kb = map(int, done.stdout.split())
    assert code == 2
    assert peak_kb < 200_000
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - begun < 1


def test_as_json_an_invalid_file_is_one_object(tmp_path):
    done = _harness(tmp_path, "validate", "--json", str(HERE / "heads.yaml"))
    (error,) = json.loads(done.stdout)["errors"]
    assert done.returncode == 2
    assert error == {
        "file": str(HERE / "heads.yaml"),
        "line": 10,
        "column": 24,
        "path": "experiments.plain.model.num_heads",
        "message": "embed_dim (8) must be divisible by num_heads, got 3",
    }


def test_all_mistakes_of_a_file_are_told_at_once_in_their_order(tmp_path):
    text = (
        HEAD.replace("version: 1", "version: 3")
        + """\
experiments:
  a/b: {train: {steps: 0}}
  twice: {seed: {data: 1, data: 2}, tags: {x: 5}}
  tagged: {train: {batch_size: !!int 4}, extends: nobody}
  long: {seed: {model: 99999999999999999999999999999999999999999999}, model: {num_heads: 5}}
  swept: {matrix: {train.stps: [1]}, seeds: 0}
  claims: {expect: [{metric: loss, below: 1}, {metric: train/loss}]}
searches:
  s: {metric: train/loss, space: {optimizer.lr: {low: 2, high: 1}}, n_trials: 0}
"""
    )
    found = problems(tmp_path, text)
    assert [(p.line, p.path) for p in found] == [
        (1, "version"),
        (9, "experiments.a/b"),
        (9, "experiments.a/b.train.steps"),
        (10, "experiments.twice.seed.data"),
        (10, "experiments.twice.tags.x"),
        (11, "experiments.tagged.train.batch_size"),
        (11, "experiments.tagged.extends"),
        (12, "experiments.long.seed.model"),
        (12, "experiments.long.model.num_heads"),
        (13, "experiments.swept.matrix.train.stps"),
        (13, "experiments.swept.seeds"),
        (14, "experiments.claims.expect[0].metric"),
        (14, "experiments.claims.expect[1]"),
        (16, "searches.s.space.optimizer.lr.high"),
        (16, "searches.s.n_trials"),
    ]


def test_beyond_a_hundred_problems_the_rest_is_counted(tmp_path):
    lines = "".join(f"  e{i}: {{train: {{steps: 0}}}}\n" for i in range(150))
    found = problems(tmp_path, f"{HEAD}experiments:\n{lines}")
    assert len(found) == 101
    assert found[-1].message == "and 50 further problems"


def test_long_values_are_cut_and_control_characters_escaped(tmp_path):
    text = HEAD + 'experiments:\n  a: {optimizer: {lr: "%s\\e[31m"}, tags: {x: 1}}\n' % ("v" * 300)
    (lr, tags) = problems(tmp_path, text)
    assert lr.message == "must be a number, got '" + "v" * 76 + "..."
    assert max(map(len, str(lr).splitlines()[1:])) < 140
    assert marked(tags) == "1}}"


@pytest.mark.skipif(not SHARED.is_dir(), reason="no shared/badspecs beside the checkout")
def test_the_shared_table_of_mistakes_holds():
    with (SHARED / "cases.csv").open(newline="", encoding="utf-8") as file:
        cases = list(csv.DictReader(file))
    assert len(cases) > 40
    wrong = []
    for case in cases:
        try:
            load_sweep(SHARED / case["file"])
            outcome, said = "ok", ""
        except SweepFileError as error:
            outcome, said = "error", str(error)
        expected = case["expect"] in (outcome, "either")
        if not expected or (outcome == "error" and case["message_contains"] not in said):
            wrong.append((case, said))
    assert not wrong
