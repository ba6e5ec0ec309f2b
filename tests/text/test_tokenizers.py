import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import CorpusError
from harness.text.tokenizers import (
    TOKENIZERS,
    CharTokenizer,
    Tokenizer,
    WordTokenizer,
    learn,
    tokenizer_from_json,
)

TEXTS = st.text(min_size=1, max_size=60)
CHUNKS = st.lists(st.text(alphabet="ab \n\t\u00a0\u2003é", max_size=5), max_size=12)


def taught(name: str, text: str) -> Tokenizer:
    symbols, _ = learn(name, [text], 10**6)
    return TOKENIZERS[name](symbols)


def test_words_are_numbered_by_first_appearance() -> None:
    words = taught("words", "I love AI !  love\nI")
    assert words.symbols == ("I", "love", "AI", "!")
    assert words.encode("! AI") == [3, 2]


def test_characters_are_numbered_in_sorted_order() -> None:
    chars = taught("chars", "hello")
    assert chars.symbols == ("e", "h", "l", "o")
    assert chars.encode("hello") == [1, 0, 2, 2, 3]


@given(TEXTS)
def test_decoding_the_ids_of_characters_gives_the_text_back(text: str) -> None:
    chars = taught("chars", text)
    assert chars.decode(chars.encode(text)) == text


@given(TEXTS.filter(lambda text: bool(text.split())))
def test_decoding_the_ids_of_words_gives_the_words_joined_by_one_space(text: str) -> None:
    words = taught("words", text)
    assert words.decode(words.encode(text)) == " ".join(text.split())


@given(CHUNKS)
def test_words_do_not_depend_on_how_the_text_is_cut_into_chunks(chunks: list[str]) -> None:
    pieces = [word for piece in WordTokenizer.cut(chunks) for word in piece]
    assert pieces == "".join(chunks).split()
    assert learn("words", chunks, 10**6)[1] == len(pieces)


@pytest.mark.parametrize("name", TOKENIZERS)
@given(text=TEXTS.filter(lambda text: bool(text.split())))
def test_json_and_pickle_give_an_equal_tokenizer_back(name: str, text: str) -> None:
    tokenizer = taught(name, text)
    assert tokenizer_from_json(tokenizer.to_json()) == tokenizer
    assert pickle.loads(pickle.dumps(tokenizer)) == tokenizer  # noqa: S301


@pytest.mark.parametrize("name", TOKENIZERS)
def test_a_tokenizer_bears_the_name_it_stands_under(name: str) -> None:
    assert TOKENIZERS[name].name == name
    assert taught(name, "a b a").vocab_size == (2 if name == "words" else 3)


def test_learning_stops_once_there_are_too_many_tokens() -> None:
    def endless():
        while True:
            yield "abc"

    assert learn("chars", endless(), 10) == (("a", "b", "c"), 12)


def test_an_id_without_a_symbol_shows_as_the_replacement_character() -> None:
    assert WordTokenizer(("I",)).decode([0, 1, -1]) == "I \ufffd \ufffd"


def test_an_unknown_word_is_named_with_the_nearest_known_one() -> None:
    words = WordTokenizer(("I", "love", "AI", "!"))
    expected = r"unknown word 'lov'; the corpus has 4 words; did you mean 'love'\?"
    with pytest.raises(CorpusError, match=expected):
        words.encode("I lov AI")


def test_an_unknown_character_is_shown_escaped() -> None:
    with pytest.raises(CorpusError, match=r"unknown character '\\n'; the corpus has 1 character$"):
        CharTokenizer(("a",)).encode("a\n")


@pytest.mark.parametrize(
    ("kind", "symbols", "message"),
    [
        (WordTokenizer, (), "a tokenizer needs at least one word"),
        (WordTokenizer, ("a", "b", "a"), "the word 'a' has two ids"),
        (WordTokenizer, ("a b",), "'a b' is not one word"),
        (WordTokenizer, ("",), "'' is not one word"),
        (CharTokenizer, ("ab",), "'ab' is not one character"),
    ],
)
def test_symbols_that_cannot_be_are_refused(
    kind: type[Tokenizer], symbols: tuple[str, ...], message: str
) -> None:
    with pytest.raises(CorpusError, match=message):
        kind(symbols)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "the tokenizer is not JSON"),
        ("[" * 100_000, "the tokenizer is not JSON"),
        ("[]", "must hold exactly the keys tokenizer and symbols"),
        ('{"tokenizer": "words"}', "must hold exactly the keys tokenizer and symbols"),
        ('{"tokenizer": "bpe", "symbols": []}', "unknown tokenizer 'bpe'; must be one of words, c"),
        ('{"tokenizer": ["words"], "symbols": []}', "unknown tokenizer"),
        ('{"tokenizer": "words", "symbols": [1]}', "symbols must be a list of texts"),
        ('{"tokenizer": "words", "symbols": "ab"}', "symbols must be a list of texts"),
        ('{"tokenizer": "words", "symbols": []}', "needs at least one word"),
    ],
)
def test_json_of_anything_else_is_refused(text: str, message: str) -> None:
    with pytest.raises(CorpusError, match=message):
        tokenizer_from_json(text)
