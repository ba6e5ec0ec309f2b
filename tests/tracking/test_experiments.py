import re
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from harness.errors import StoreError
from harness.tracking.experiments import (
    ensure_mlflow_experiment,
    slug,
    sweeps,
)


def test_an_experiment_is_created_once_and_described(store):
    first = ensure_mlflow_experiment(store, "chapter-14", "The chapter")
    assert ensure_mlflow_experiment(store, "chapter-14", "The chapter, again") == first
    found = store.client.get_experiment(first)
    assert found.tags == {
        "harness.sweep": "chapter-14",
        "mlflow.experimentKind": "custom_model_development",
        "mlflow.note.content": "The chapter, again",
    }


def test_artifacts_of_a_sweep_lie_under_the_store(store):
    found = store.client.get_experiment(ensure_mlflow_experiment(store, "chapter-14"))
    assert found.artifact_location == (store.state_dir / "artifacts" / "chapter-14").as_uri()


@pytest.mark.parametrize("name", ["../../etc", "/abs", "a/../../b", "..", ".hidden", "~", "a\x00b"])
def test_no_name_of_a_sweep_leads_out_of_the_store(store, name):
    found = store.client.get_experiment(ensure_mlflow_experiment(store, name))
    location = Path(urlsplit(found.artifact_location).path)
    assert location.resolve().parent == store.state_dir / "artifacts"
    assert not location.name.startswith(".")


@given(st.text(min_size=1, max_size=300))
@example("-:")
@example(".")
def test_a_slug_is_always_a_plain_visible_file_name(name):
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", slug(name))


def test_names_that_look_alike_when_cleaned_have_folders_of_their_own():
    assert len({slug("a b"), slug("a/b"), slug("a_b"), slug("_a_b"), slug("a\tb")}) == 5


def test_eight_threads_at_once_get_one_experiment(store):
    ids: list[str] = []
    threads = [
        threading.Thread(target=lambda: ids.append(ensure_mlflow_experiment(store, "raced")))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ids) == 8
    assert len(set(ids)) == 1


def test_a_lost_race_finds_the_winners_experiment(store, monkeypatch):
    winner = ensure_mlflow_experiment(store, "raced")
    client_class = type(store.client)
    look_up = client_class.get_experiment_by_name

    def too_early(client: object, name: str) -> None:
        monkeypatch.setattr(client_class, "get_experiment_by_name", look_up)

    monkeypatch.setattr(client_class, "get_experiment_by_name", too_early)
    assert ensure_mlflow_experiment(store, "raced") == winner


def test_a_deleted_experiment_is_told_with_how_to_restore_it(store):
    deleted = ensure_mlflow_experiment(store, "old")
    store.client.delete_experiment(deleted)
    with pytest.raises(
        StoreError, match=f"'old' was deleted .*mlflow experiments restore -x {deleted}`, or give"
    ):
        ensure_mlflow_experiment(store, "old")


def test_the_sweeps_of_a_store_are_listed_the_one_created_last_at_the_end(store):
    first = ensure_mlflow_experiment(store, "b")
    store.client.create_experiment("of another program")
    time.sleep(0.002)
    second = ensure_mlflow_experiment(store, "a")
    assert sweeps(store) == [("b", first), ("a", second)]
