from pathlib import Path

import pytest
import torch

from harness.text.corpora import open_corpus
from harness.text.sources import Source
from harness.train.data import corpus_tensor


@pytest.mark.parametrize("repeat", [1, 3])
@pytest.mark.parametrize("num_words", [5, 300, 33_000])
@pytest.mark.parametrize("on_disk", [False, True])
def test_the_tensor_holds_the_corpus_in_its_own_type(
    tmp_path: Path, num_words: int, repeat: int, on_disk: bool
) -> None:
    path = tmp_path / "words.txt"
    path.write_text(" ".join(map(str, range(num_words))))
    cache_dir = tmp_path / "cache" if on_disk else None
    corpus = open_corpus(Source("file", str(path)), "words", repeat, cache_dir, write=True)
    data = corpus_tensor(corpus)
    assert str(data.dtype) == f"torch.{corpus.dtype}"
    assert torch.equal(data.long(), torch.arange(num_words).repeat(repeat))
    assert (corpus.path is not None) == on_disk


def test_writing_into_the_tensor_leaves_the_cache_alone(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_text("a b c")
    corpus = open_corpus(Source("file", str(path)), "words", 1, tmp_path / "cache", write=True)
    corpus_tensor(corpus).fill_(7)
    assert corpus.head(3) == [0, 1, 2]
