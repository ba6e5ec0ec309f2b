import json
from pathlib import Path

import pytest

from harness.errors import CorpusError
from harness.text import cache, corpora
from harness.text.corpora import Corpus, open_corpus
from harness.text.sources import Source


@pytest.fixture
def source(tmp_path: Path) -> Source:
    path = tmp_path / "corpus.txt"
    path.write_text("to be or not to be, that is the question")
    return Source("file", str(path))


@pytest.fixture
def cache_dir(tmp_path: Path) -> Path:
    return tmp_path / "mlruns" / ".cache"


def cached(source: Source, cache_dir: Path, *, write: bool = True, repeat: int = 3) -> Corpus:
    return open_corpus(source, "words", repeat, cache_dir, write=write)


def test_an_entry_is_written_once_and_then_read_without_a_scan(
    source: Source, cache_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = cached(source, cache_dir)
    assert sorted(p.suffix for p in cache_dir.iterdir()) == [".ids", ".json"]
    assert first.path is not None
    assert first.path.parent == cache_dir
    monkeypatch.setattr(corpora, "scan", None)
    assert cached(source, cache_dir) == first
    assert cached(source, cache_dir, write=False) == first


def test_a_cached_corpus_equals_the_one_in_memory(source: Source, cache_dir: Path) -> None:
    on_disk, in_memory = (
        cached(source, cache_dir),
        open_corpus(source, "words", 3, None, write=True),
    )
    assert on_disk.info == in_memory.info
    assert on_disk.digest == in_memory.digest
    assert on_disk.head(50) == in_memory.head(50)
    assert on_disk.data is None


def test_nothing_is_written_without_leave(source: Source, cache_dir: Path) -> None:
    corpus = cached(source, cache_dir, write=False)
    assert corpus.path is None
    assert not cache_dir.exists()


def test_a_text_of_the_sweep_file_is_not_cached(cache_dir: Path) -> None:
    corpus = open_corpus(Source("text", "I love AI !"), "words", 1, cache_dir, write=True)
    assert corpus.path is None
    assert not cache_dir.exists()


def test_builtins_are_cached(cache_dir: Path) -> None:
    corpus = open_corpus(Source("builtin", "python-docs"), "chars", 1, cache_dir, write=True)
    assert corpus.path is not None


def test_a_changed_text_has_another_entry(source: Source, cache_dir: Path) -> None:
    first = cached(source, cache_dir)
    Path(source.value).write_text("to be or not to be")
    assert cached(source, cache_dir).digest != first.digest
    assert len(list(cache_dir.iterdir())) == 4


@pytest.mark.parametrize("suffix", [".ids", ".json"])
def test_a_damaged_entry_is_rebuilt_without_a_word(
    source: Source, cache_dir: Path, suffix: str
) -> None:
    good = cached(source, cache_dir)
    good_head = good.head(9)
    path = next(p for p in cache_dir.iterdir() if p.suffix == suffix)
    raw = path.read_bytes()
    flipped = [raw[:i] + bytes([raw[i] ^ 1]) + raw[i + 1 :] for i in range(len(raw))]
    for content in [*flipped, b"", raw[:-1], raw[: len(raw) // 2], raw + b"1", b"[]", b"[" * 10**5]:
        path.write_bytes(content)
        unwritten = cached(source, cache_dir, write=False)
        assert (unwritten.info, unwritten.digest, unwritten.head(9)) == (
            good.info,
            good.digest,
            good_head,
        )
        assert cached(source, cache_dir) == good
        assert cache.find(cache_dir, good.info.text_digest, "words") is not None


def test_a_missing_half_of_an_entry_is_rebuilt(source: Source, cache_dir: Path) -> None:
    good = cached(source, cache_dir)
    for suffix in (".ids", ".json"):
        next(p for p in cache_dir.iterdir() if p.suffix == suffix).unlink()
        assert cached(source, cache_dir) == good


def test_an_entry_under_another_name_is_not_used(source: Source, cache_dir: Path) -> None:
    entry = cached(source, cache_dir).path
    assert entry is not None
    other = "0" * 64
    for path in list(cache_dir.iterdir()):
        path.rename(path.with_name(f"{other}-words{path.suffix}"))
    assert cache.find(cache_dir, other, "words") is None


def test_an_entry_of_another_format_is_not_used(source: Source, cache_dir: Path) -> None:
    good = cached(source, cache_dir)
    path = next(cache_dir.glob("*.json"))
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": 2}))
    assert cache.find(cache_dir, good.info.text_digest, "words") is None


def test_a_cache_that_cannot_be_written_is_an_error(source: Source, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CorpusError, match=r"file/cache: cannot write the cache: Not a directory"):
        open_corpus(source, "words", 1, tmp_path / "file" / "cache", write=True)


def test_no_temporary_file_is_left(source: Source, cache_dir: Path) -> None:
    cached(source, cache_dir)
    assert list(cache_dir.glob("*.tmp")) == []
