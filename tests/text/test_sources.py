import os
import socket
from pathlib import Path

import pytest

from harness.errors import CorpusError
from harness.text import sources
from harness.text.sources import BUILTINS, CORPORA, Source, digest_of


def text_of(path: Path | str) -> str:
    return "".join(Source("file", str(path)).chunks())


def test_a_text_is_itself() -> None:
    assert "".join(Source("text", "I love AI !").chunks()) == "I love AI !"


def test_newlines_of_a_file_are_kept_and_a_byte_order_mark_is_dropped(tmp_path: Path) -> None:
    path = tmp_path / "corpus.txt"
    path.write_bytes(b"\xef\xbb\xbfa\r\nb\nc\rd\xef\xbb\xbf")
    assert text_of(path) == "a\r\nb\nc\rd\ufeff"


@pytest.mark.parametrize("chunk_bytes", [1, 2, 3, 5, 1000])
def test_characters_cut_by_a_chunk_border_are_whole(
    tmp_path: Path, chunk_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "CHUNK_BYTES", chunk_bytes)
    path = tmp_path / "corpus.txt"
    path.write_text("\ufeffaé€😀" * 3, encoding="utf-8")
    assert text_of(path) == ("\ufeffaé€😀" * 3)[1:]


@pytest.mark.parametrize("chunk_bytes", [1, 2, 3, 1000])
@pytest.mark.parametrize(
    ("content", "offset"), [(b"ab\xffcd", 2), ("é€".encode() + b"\x80", 5), (b"abc\xe2\x82", 3)]
)
def test_bytes_that_are_not_utf8_are_named_by_their_offset(
    tmp_path: Path, content: bytes, offset: int, chunk_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "CHUNK_BYTES", chunk_bytes)
    path = tmp_path / "corpus.txt"
    path.write_bytes(content)
    with pytest.raises(CorpusError, match=rf"corpus\.txt: not UTF-8 at byte {offset}: "):
        text_of(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"no such file: .*no_such\.txt"):
        text_of(tmp_path / "no_such.txt")
    (tmp_path / "a").write_text("a")
    with pytest.raises(CorpusError, match=r"no such file: .*a/b"):
        text_of(tmp_path / "a" / "b")


def test_what_is_not_a_regular_file_is_refused_without_being_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket"))
        for path, kind in [
            (tmp_path, "directory"),
            (tmp_path / "pipe", "pipe"),
            (tmp_path / "socket", "socket"),
            (Path("/dev/zero"), "device"),
        ]:
            with pytest.raises(CorpusError, match=f"must be a regular file, got a {kind}"):
                text_of(path)


@pytest.mark.parametrize("path", ["a\0b", "x" * 5000])
def test_a_path_that_cannot_be_is_refused(path: str) -> None:
    with pytest.raises(CorpusError, match="cannot be read"):
        text_of(path)


def test_a_loop_of_links_is_refused(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(CorpusError, match="loop: cannot be read"):
        text_of(tmp_path / "loop")


def test_an_error_while_reading_names_the_file() -> None:
    # A regular file of the kernel's whose first read fails, even for root.
    with pytest.raises(CorpusError, match="/proc/self/mem: cannot be read: "):
        text_of("/proc/self/mem")


def test_the_python_docs_are_a_few_hundred_thousand_characters() -> None:
    text = "".join(Source("builtin", "python-docs").chunks())
    assert 300_000 < len(text) < 2_000_000
    assert "\n\n" in text


def test_an_unknown_builtin_is_answered_with_the_known_ones() -> None:
    with pytest.raises(CorpusError, match=r"unknown builtin corpus 'python-doc'; must be one of"):
        list(Source("builtin", "python-doc").chunks())


@pytest.mark.parametrize("kind", CORPORA)
def test_every_kind_of_source_reads_the_same_text_twice(kind: str, tmp_path: Path) -> None:
    (tmp_path / "corpus.txt").write_text("to be or not to be")
    value = {
        "text": "a text",
        "file": str(tmp_path / "corpus.txt"),
        "builtin": next(iter(BUILTINS)),
    }
    source = Source(kind, value[kind])
    assert digest_of(source.chunks()) == digest_of(source.chunks())
    assert value[kind][:30] in str(source) or kind == "file"


def test_a_text_with_a_lone_surrogate_has_a_digest() -> None:
    assert len(digest_of(iter(["a\ud800"]))) == 64
