import hashlib
import pickle
import struct
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import CorpusError
from harness.text import corpora
from harness.text.corpora import Corpus, encode, open_corpus, scan
from harness.text.packing import id_type, packer, unpack, widen
from harness.text.sources import Source
from harness.text.tokenizers import TOKENIZERS, WordTokenizer, learn

NAMES = st.sampled_from(sorted(TOKENIZERS))
TEXTS = st.text(alphabet="ab cé€😀\n", min_size=1, max_size=40).filter(lambda t: bool(t.split()))


def corpus_of(text: str, tokenizer: str = "words", repeat: int = 1) -> Corpus:
    return open_corpus(Source("text", text), tokenizer, repeat, None, write=False)


def digest_of_ids(ids: list[int]) -> str:
    return hashlib.sha256(struct.pack(f"<{len(ids)}i", *ids)).hexdigest()


def test_the_chapters_corpus_is_the_cycle_of_four_repeated() -> None:
    corpus = corpus_of("I love AI !", repeat=64)
    assert corpus.info.num_tokens == 256
    assert corpus.head(9) == [0, 1, 2, 3, 0, 1, 2, 3, 0]
    assert (corpus.dtype, corpus.data, corpus.path) == ("uint8", bytes([0, 1, 2, 3]), None)
    assert corpus.digest == digest_of_ids([0, 1, 2, 3] * 64)


@given(TEXTS, NAMES, st.integers(1, 5))
def test_the_digest_is_that_of_the_ids_written_out(text: str, name: str, repeat: int) -> None:
    symbols, _ = learn(name, [text], 10**6)
    ids = TOKENIZERS[name](symbols).encode(text)
    corpus = corpus_of(text, name, repeat)
    assert corpus.digest == digest_of_ids(ids * repeat)
    assert corpus.head(10**6) == ids * repeat


@given(TEXTS, st.integers(1, 6))
def test_repeating_ids_and_writing_the_text_out_are_one_corpus(text: str, repeat: int) -> None:
    assert corpus_of(text, "chars", repeat).digest == corpus_of(text * repeat, "chars").digest
    assert corpus_of(text, "words", repeat).digest == corpus_of(f"{text} " * repeat).digest


def test_other_symbols_with_the_same_ids_have_the_same_digest() -> None:
    assert corpus_of("I love AI !").digest == corpus_of("we like my cat").digest


@pytest.mark.parametrize(
    ("num_words", "dtype"), [(256, "uint8"), (257, "int16"), (32768, "int16"), (32769, "int32")]
)
def test_ids_are_stored_in_the_smallest_type_that_holds_the_vocabulary(
    num_words: int, dtype: str, tmp_path: Path
) -> None:
    path = tmp_path / "words.txt"
    path.write_text(" ".join(map(str, range(num_words))))
    for cache_dir in (None, tmp_path / "cache"):
        corpus = open_corpus(Source("file", str(path)), "words", 2, cache_dir, write=True)
        assert corpus.dtype == dtype
        assert corpus.head(2 * num_words) == [*range(num_words)] * 2
        assert corpus.digest == digest_of_ids([*range(num_words)] * 2)


def test_many_distinct_characters_are_stored_too() -> None:
    text = "".join(map(chr, range(0x4E00, 0x4E00 + 300)))
    corpus = corpus_of(text, "chars")
    assert (corpus.dtype, corpus.head(300)) == ("int16", [*range(300)])


@given(st.lists(st.integers(0, 255), max_size=50))
def test_widening_keeps_the_ids(ids: list[int]) -> None:
    words = WordTokenizer(tuple(map(str, range(256))))
    packed = packer(words)([str(i) for i in ids])
    assert widen(packed, "uint8") == struct.pack(f"<{len(ids)}i", *ids)
    assert unpack(packed, "uint8") == ids
    assert id_type(256) == "uint8"


def test_a_text_larger_than_a_block_is_hashed_like_a_small_one(tmp_path: Path) -> None:
    text = "abcdefgh" * 150_000
    path = tmp_path / "corpus.txt"
    path.write_text(text)
    source = Source("file", str(path))
    in_memory = open_corpus(source, "chars", 3, None, write=False)
    on_disk = open_corpus(source, "chars", 3, tmp_path / "cache", write=True)
    assert in_memory.digest == on_disk.digest == corpus_of("abcdefgh", "chars", 450_000).digest


def test_a_corpus_can_be_pickled() -> None:
    corpus = corpus_of("I love AI !", repeat=3)
    assert pickle.loads(pickle.dumps(corpus)) == corpus  # noqa: S301


@pytest.mark.parametrize(
    ("text", "tokenizer", "message"),
    [
        ("", "chars", "^the text is empty: it holds no character$"),
        (" \n", "words", "^the text is empty: it holds no word$"),
    ],
)
def test_a_text_without_tokens_is_an_error(text: str, tokenizer: str, message: str) -> None:
    with pytest.raises(CorpusError, match=message):
        scan(Source("text", text), tokenizer, 1)


def test_an_empty_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "empty.txt"
    path.write_text("\ufeff")
    with pytest.raises(CorpusError, match=r"empty\.txt: the text is empty"):
        scan(Source("file", str(path)), "chars", 1)


def test_more_tokens_than_allowed_after_repeating_are_an_error() -> None:
    assert scan(Source("text", "a b"), "words", 2**30).num_tokens == 2**31
    with pytest.raises(CorpusError, match=r"3 tokens repeated 1,073,741,824 times make 3,221,225,"):
        scan(Source("text", "a b c"), "words", 2**30)


def test_more_tokens_than_allowed_in_the_text_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corpora, "MAX_TOKENS", 5)
    with pytest.raises(CorpusError, match="must hold at most 5 words, got more"):
        scan(Source("text", "a b c d e f"), "words", 1)


@pytest.mark.parametrize("text", ["to be or to be", "to be or not to be, to be"])
@pytest.mark.parametrize("cached", [False, True])
def test_a_file_that_changes_between_the_passes_is_an_error(
    tmp_path: Path, text: str, cached: bool
) -> None:
    path = tmp_path / "corpus.txt"
    path.write_text("to be or not to be")
    info = scan(Source("file", str(path)), "words", 1)
    path.write_text(text)
    cache_dir = tmp_path / "cache" if cached else None
    with pytest.raises(CorpusError, match=r"corpus\.txt: changed while it was being read"):
        encode(info, cache_dir, write=True)
    assert not cached or list((tmp_path / "cache").iterdir()) == []


def test_a_megabyte_is_scanned_and_encoded_in_half_a_second(tmp_path: Path) -> None:
    path = tmp_path / "corpus.txt"
    path.write_text("The quick brown fox, 1234 times?\n" * 32_000)
    began = time.process_time()
    open_corpus(Source("file", str(path)), "chars", 1, None, write=False)
    assert time.process_time() - began < 0.5  # 0.04 s where it was measured


def test_memory_does_not_grow_with_a_file_that_is_cached(tmp_path: Path) -> None:
    path = tmp_path / "corpus.txt"
    path.write_text("The quick brown fox, 1234 times?\n" * 640_000)
    tracemalloc.start()
    open_corpus(Source("file", str(path)), "chars", 2, tmp_path / "cache", write=True)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert path.stat().st_size > 20e6
    assert peak < 16e6  # some blocks of 1 MB, one of them as 32-bit integers


def test_the_text_layer_needs_the_standard_library_only() -> None:
    heavy = ("torch", "numpy", "pydantic", "mlflow")
    script = f"import sys, harness.text.corpora; print([m for m in {heavy} if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
