"""`harness show RUN`: runs, a search and its trials, a group, failed and diverged runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sweep_files import CHAPTER_FILE
from sweep_files import harness as command

from harness.spec.defaults import default_settings
from harness.spec.load import load_sweep
from harness.tracking.read import find_runs, get_run
from harness.tracking.store import open_store


@pytest.fixture
def shown(harness):
    """What `show NAME --json` prints."""

    def shown(name: object) -> dict:
        result = harness("show", name, "--json")
        assert (result.exit_code, result.stderr) == (0, "")
        return json.loads(result.stdout)

    return shown


def head_of(text: str) -> dict[str, str]:
    lines = text.partition("\n\n")[0].splitlines()
    width = max(i for i in range(40) if all(line[i - 2 : i] == "  " for line in lines))
    return {line[:width].strip(): line[width:] for line in lines}


def test_show_tells_all_about_a_run(harness, shown, chapter):
    text = harness("show", "adamw").stdout
    head = head_of(text)
    store = open_store()
    run = next(run for run in find_runs(store) if run.name == "adamw")
    assert head["run"] == "adamw"
    assert head["id"] == run.run_id
    assert (head["state"], head["claims"], head["engine"]) == ("finished", "passed", "plain")
    assert head["checkpoints"] == "step_000200"
    assert head["dataset"].startswith("I love AI ! x 64, from text 'I love AI !', digest ")
    assert "error" not in head
    sections = dict(part.split("\n", 1) for part in text.strip().split("\n\n")[1:])
    chosen = dict(line.split(None, 1) for line in sections["settings"].splitlines())
    assert chosen["optimizer.lr"] == "0.01"
    assert chosen["train.engine"] == "plain"
    left = dict(
        line.split(None, 1) for line in sections["settings left at their defaults"].splitlines()
    )
    assert left["optimizer.weight_decay"] == "0.01"
    assert {**chosen, **left} == run.params
    curve = sections["loss over 200 steps, logarithmic"].split()
    assert (curve[0], curve[-1]) == ("5.2739", "0.0035")
    assert curve[1].startswith("\u2588\u2588\u2587")
    assert curve[1].endswith("\u2581")
    assert "  torch " in text
    told = shown("adamw")
    assert set(told["chosen_settings"]) == set(chosen)
    assert told["environment"]["torch"] == run.tags["harness.torch"]
    assert told["checkpoints"] == ["step_000200"]
    assert told["dataset"]["digest"] == head["dataset"].rpartition(" ")[2]
    assert (told["traceback"], told["error"], told["parent"]) == (None, None, None)


def test_a_run_is_named_by_its_name_its_id_or_the_beginning_of_it(shown, chapter):
    told = shown("sgd")
    assert shown(told["run_id"]) == shown(told["run_id"][:8]) == told


def test_show_tells_of_a_search_and_its_trials(harness, shown, chapter):
    text = harness("show", "adamw-lr").stdout
    head = head_of(text)
    told = shown("adamw-lr")
    assert head["search"] == "adamw-lr"
    assert head["best"].startswith(f"{told['best_value']:.4g} at optimizer.lr=0.")
    states = ", ".join(f"{n} {state}" for state, n in told["trial_states"].items())
    assert head["trials"] == states
    assert sum(told["trial_states"].values()) == told["n_trials"] == len(told["members"]) == 64
    assert text.splitlines()[-1] == "and 44 more: harness ls 'adamw-lr/*' --trials"
    assert "search.sampler" in text
    trial = shown("adamw-lr/trial=3")
    assert (trial["trial"], trial["parent"]["name"]) == (3, "adamw-lr")
    assert head_of(harness("show", "adamw-lr/trial=3").stdout)["part of"].startswith("adamw-lr (")


def test_show_tells_of_a_group_its_runs(harness, shown, mixed):
    told = shown("many")
    assert [run["name"] for run in told["members"]] == [f"many/seed={i}" for i in range(3)]
    assert told["n_runs"] == 3
    assert (told["dataset"], told["checkpoints"]) == (None, [])
    rows = harness("show", "many").stdout.splitlines()[-3:]
    assert [row.split()[:2] for row in rows] == [[f"many/seed={i}", "finished"] for i in range(3)]
    assert shown("many/seed=1")["parent"] == {"name": "many", "run_id": told["run_id"]}


def test_show_tells_why_a_run_failed_and_where_its_traceback_is(harness, shown, mixed_of_its_own):
    told = shown("bad")
    assert told["status"] == "failed"
    assert "cuda:99 is not on this machine" in told["error"]
    assert "in run_job" in Path(told["traceback"]).read_text()
    text = harness("show", "bad").stdout
    assert head_of(text)["traceback"] == told["traceback"]
    assert "loss over" not in text
    assert (told["final_loss"], told["checkpoints"]) == (None, [])
    Path(told["traceback"]).unlink()
    assert shown("bad")["traceback"] is None


def test_show_tells_where_a_run_diverged(harness, shown, mixed):
    told = shown("wild")
    at = told["diverged_at"]
    assert (told["status"], told["error"]) == ("diverged", None)
    assert at > 1
    assert head_of(harness("show", "wild").stdout)["state"] == f"diverged at step {at}"


def test_show_tells_who_shares_a_run_and_what_replaced_it(harness, shown, mixed):
    runs = [run for run in find_runs(open_store()) if run.name == "short"]
    old, new = sorted(runs, key=lambda run: run.start_time)
    assert shown("short")["run_id"] == new.run_id
    head = head_of(harness("show", old.run_id).stdout)
    assert head["also called"] == "twin (sweep two)"
    assert head["replaced by"] == new.run_id
    assert head["state"] == "finished (replaced)"


def test_where_the_output_can_show_no_blocks_the_curve_is_ascii(chapter, monkeypatch):
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    text = command("show", "adamw", cwd=chapter.folder).stdout
    assert text.isascii()
    line = next(line for line in text.splitlines() if line.startswith("  5.2739 "))
    assert set(line.split()[1]) <= set("_.-=+*%#")


def test_what_a_store_holds_cannot_write_to_the_terminal(harness, mixed_of_its_own):
    store = open_store()
    run = next(run for run in find_runs(store) if run.name == "wild")
    store.client.set_tag(run.run_id, "note\x1b".replace("\x1b", "/x"), "a\x1b[2J\nb")
    store.client.set_tag(run.run_id, "mlflow.note.content", "\x1b]0;title\x07")
    text = harness("show", "wild").stdout
    assert "\x1b" not in text
    assert "a\\x1b[2J\\nb" in text


@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_a_run_that_nobody_knows_is_told_with_the_nearest_name(harness, chapter, flags):
    result = harness("show", "adamv", *flags)
    assert result.exit_code == 2
    text = result.stdout if flags else result.stderr
    assert "no run is called 'adamv'" in text
    assert "did you mean 'adamw'?" in text


def test_the_defaults_are_those_that_a_file_without_settings_gets():
    (adamw, *_) = load_sweep(CHAPTER_FILE).runs
    flat = adamw.config.flat()
    given = {"model", "data", "train"}
    for path, text in default_settings("adamw").items():
        if path.partition(".")[0] not in given:
            assert flat[path] == text
    assert "optimizer.lr" not in default_settings("adamw")
    assert default_settings("sgd")["optimizer.momentum"] == "0.0"
    assert default_settings("adafactor")["optimizer.eps"] == "[null, 0.001]"
    assert not any(path.startswith("optimizer.") for path in default_settings(None))


def test_a_server_is_shown_the_same_but_for_paths(shown, mixed, monkeypatch):
    import dataclasses

    import harness.tracking.store

    local = shown("bad")
    store = dataclasses.replace(open_store(), database=None)
    monkeypatch.setattr(harness.tracking.store, "open_store", lambda *_, **__: store)
    uri = get_run(store, local["run_id"]).artifact_uri
    assert shown("bad") == {**local, "traceback": f"{uri}/traceback.txt"}
