import platform
import subprocess

from harness.tracking import environment, keys
from harness.tracking.environment import (
    CODE,
    ENVIRONMENT,
    environment_tags,
    facts_of,
    titled_facts,
    writer_id,
)


def git(*arguments: str) -> None:
    identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run(["git", *identity, *arguments], check=True, capture_output=True)


def test_the_tags_name_versions_machine_and_user(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tags = environment_tags()
    assert tags[keys.PYTHON] == platform.python_version()
    assert tags[keys.TORCH][0].isdigit()
    assert tags[keys.MLFLOW].startswith("3.")
    assert tags[keys.SOURCE_NAME] == "harness"
    assert tags[keys.SOURCE_TYPE] == "LOCAL"
    assert all(tags[key] for key in (keys.HOST, keys.CPU, keys.PLATFORM, keys.USER, keys.VERSION))


def test_outside_of_a_repository_there_are_no_tags_of_git(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert not {keys.GIT_COMMIT, keys.GIT_DIRTY, keys.SOURCE_COMMIT} & set(environment_tags())


def test_without_git_there_are_no_tags_of_git(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert keys.GIT_COMMIT not in environment_tags()


def test_a_changed_file_makes_the_commit_dirty(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    git("init")
    (tmp_path / "a").write_text("1")
    git("add", "a")
    git("commit", "-m", "first")
    tags = environment_tags()
    assert len(tags[keys.GIT_COMMIT]) == 40
    assert tags[keys.SOURCE_COMMIT] == tags[keys.GIT_COMMIT]
    assert tags[keys.GIT_DIRTY] == "false"
    (tmp_path / "a").write_text("2")
    assert environment_tags()[keys.GIT_DIRTY] == "true"


def test_a_machine_without_cpuinfo_still_has_a_cpu(tmp_path, monkeypatch):
    monkeypatch.setattr(environment, "CPU_INFO", tmp_path / "absent")
    assert environment_tags()[keys.CPU]


def test_a_writer_is_a_directory_of_a_host(tmp_path):
    assert writer_id(tmp_path) == writer_id(tmp_path)
    assert writer_id(tmp_path) != writer_id(tmp_path / "a")


def test_a_run_says_where_it_was_made_and_a_report_that_it_is_not_deterministic():
    tags = {keys.TORCH: "2.9", keys.DETERMINISTIC: "false", keys.GIT_DIRTY: "true", "own": "x"}
    assert facts_of(tags, ENVIRONMENT) == {"torch": "2.9", "deterministic": "false"}
    assert facts_of(tags, CODE) == {"git_dirty": "true"}
    assert titled_facts(tags) == {
        "uncommitted changes": "true",
        "torch": "2.9",
        "deterministic": "false",
    }


def test_what_every_run_records_of_its_surroundings_is_shown_and_the_user_in_no_report():
    tags = environment_tags()
    ours = {key for key in tags if key.startswith("harness.")}
    assert ours <= {fact.tag for fact in (*CODE.values(), *ENVIRONMENT.values())}
    assert tags[keys.USER] not in titled_facts({keys.USER: tags[keys.USER]}).values()


def test_a_user_whose_name_is_no_text_is_recorded_with_escapes(monkeypatch):
    monkeypatch.setenv("LOGNAME", "an\udce9")
    assert environment_tags()[keys.USER] == "an\\udce9"
