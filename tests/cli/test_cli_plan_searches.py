"""The searches in `harness plan` and `harness run --dry-run`."""

from __future__ import annotations

import json

from searches import search, write


def test_the_command_shows_searches_under_the_runs(harness, project, no_plots):
    path = write(project / "s.yaml", s=search(), t=search(n_trials=3))
    harness("search", path, "s", "-q")
    for command in (["plan", path], ["run", path, "--dry-run"]):
        result = harness(*command)
        lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
        assert lines[0] == "run fingerprint engine reason"
        assert lines[2] == "1 run: 1 to train (1 new), 0 already done"
        assert lines[3] == ""
        assert lines[4] == ("search study trials to do ended sampler pruner engine parallel reason")
        assert lines[5].startswith("s sweep/s/")
        assert " 8 0 " in lines[5]
        assert lines[5].endswith("random successive_halving plain 4 finished")
        assert lines[6].endswith("3 3 random successive_halving plain 4 new")
        assert lines[7] == "2 searches of 11 trials: 3 to do (3 new), 8 already done"
        assert result.exit_code == 0
    alone = harness("plan", path, "--only", "t").stdout
    assert "fingerprint" not in alone
    assert alone.splitlines()[-1] == "1 search of 3 trials: 3 to do (3 new), 0 already done"
    assert "search" not in harness("plan", path, "--only", "a").stdout


def test_json_has_the_keys_of_a_result_and_what_is_to_do(harness, project, no_plots):
    path = write(project / "s.yaml", s=search(expect=[{"best": "value", "below": 0}]))
    ran = json.loads(harness("run", path, "--json").stdout)["searches"][0]
    ran["expectations"] = []  # a plan checks none
    wanted = {
        **ran,
        **{"to_do": 0, "reason": "finished", "sampler": "random"},
        **{"pruner": "successive_halving", "engine": "plain", "parallel": 4},
    }
    for command in (["plan", path], ["run", path, "--dry-run"]):
        assert json.loads(harness(*command, "--json").stdout)["searches"] == [wanted]


def test_force_says_that_it_leaves_searches_alone(harness, project, no_plots):
    path = write(project / "s.yaml", s=search(n_trials=2))
    note = "harness: --force trains the runs of experiments again and leaves searches alone: "
    assert harness("run", path, "-q").stderr == ""
    result = harness("run", path, "--force")
    (line,) = result.stderr.splitlines()
    assert line.startswith(note)
    assert line.endswith("their studies go on, and no trial is trained again")
    assert "2 trials, 0 new" in result.stdout
    told = harness("run", path, "--force", "--json")
    assert told.stderr.startswith(note)
    assert json.loads(told.stdout)["runs"][0]["reason"] == "forced"
    for command in (["plan", path], ["plan", path, "--json"], ["run", path, "--dry-run"]):
        assert harness(*command, "--force").stderr.startswith(note)
    assert harness("run", path, "--force", "--only", "a").stderr == ""
