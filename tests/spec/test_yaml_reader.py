from __future__ import annotations

import re
import time

import pytest
from spec_files import problems

from harness.errors import SweepFileError
from harness.spec.nodes import Node
from harness.spec.sweep_text import MAX_BYTES, read_text
from harness.spec.yaml_reader import MAX_DEPTH, MAX_DIGITS, MAX_NODES, parse, parse_value


def tree(text: str) -> Node:
    root, found = parse("f.yaml", text)
    assert not found
    return root


def at(node: Node) -> tuple[int, int]:
    return node.line, node.column


def refusal(text: str, match: str, line: int, column: int) -> None:
    """`parse` stops at that place, saying so."""
    with pytest.raises(SweepFileError, match=match) as caught:
        parse("f.yaml", text)
    problem = caught.value.problems[-1]
    assert (problem.line, problem.column) == (line, column)


def test_a_value_knows_where_it_and_its_key_stand():
    root = tree("a: 1\nb:\n  c:  [x, {d: y}]\n")
    c = root.entries()["b"].entries()["c"]
    assert (c.key_line, c.key_column, *at(c)) == (3, 3, 3, 7)
    d = c.items()[1].entries()["d"]
    assert (d.key_line, d.key_column, *at(d), d.path) == (3, 12, 3, 15, "b.c[1].d")
    assert (root.entries()["a"].path, at(root.entries()["a"])) == ("a", (1, 4))


def test_an_alias_stands_where_it_was_anchored_under_its_own_key_and_path():
    node = tree("a: &x {lr: 1}\nb: *x\n").entries()["b"]
    assert (node.key_line, node.key_column, node.line) == (2, 1, 1)
    assert node.entries()["lr"].path == "b.lr"
    assert at(node.entries()["lr"]) == (1, 12)


def test_a_key_is_text_as_it_was_written():
    root = tree('01: a\n1.50: b\ntrue: c\nnull: d\n"q": e\n&k k: f\n')
    assert list(root.entries()) == ["01", "1.50", "true", "null", "q", "k"]


def test_an_alias_may_be_a_key():
    assert tree("a: &k name\n*k : 1\n").plain() == {"a": "name", "name": 1}


def test_quoted_numbers_are_text():
    assert tree("a: \"1\"\nb: '1e-2'\nc: |\n  5\n").plain() == {"a": "1", "b": "1e-2", "c": "5\n"}


def test_windows_and_old_mac_line_breaks_count_as_lines():
    for newline in ("\r\n", "\r"):
        root = tree(newline.join(["a: 1", "b:", "  c: 2"]))
        assert at(root.entries()["b"].entries()["c"]) == (3, 6)


def test_a_unicode_line_separator_in_a_text_begins_no_line(tmp_path):
    text = 'version: 2\nname: "a\u2028b\x85c"\nexperiments: 5\n'
    found = problems(tmp_path, text)
    by_line = {problem.line: problem.source for problem in found}
    assert by_line[3] == "experiments: 5"


def test_a_byte_order_mark_is_dropped_and_takes_no_column():
    text = read_text("f.yaml", b"\xef\xbb\xbfa: 1")
    assert at(tree(text).entries()["a"]) == (1, 4)


@pytest.mark.parametrize(
    ("data", "line", "column", "byte", "source"),
    [
        (b"a: 1\nb: caf\xe9\n", 2, 7, "0xe9", "b: caf\\xe9"),
        (b"\xef\xbb\xbfa: \xff", 1, 4, "0xff", "a: \\xff"),
        (b"a: 1\r# x\r# \xc3\xa4 \xc3", 3, 5, "0xc3", "# \xe4 \\xc3"),
        (b"\xe2\x80\xa8\xff", 1, 2, "0xff", "\u2028\\xff"),
    ],
)
def test_a_byte_that_is_not_utf8_is_shown_at_its_place(data, line, column, byte, source):
    with pytest.raises(SweepFileError, match=f"must be UTF-8, found the byte {byte}") as caught:
        read_text("f.yaml", data)
    (problem,) = caught.value.problems
    assert (problem.line, problem.column, problem.source) == (line, column, source)


@pytest.mark.parametrize("data", [b"", b"  \n\t\n", b"\xef\xbb\xbf"])
def test_an_empty_file_is_told_so(data):
    with pytest.raises(SweepFileError, match=r"f.yaml:1:1: the file is empty; it needs version"):
        read_text("f.yaml", data)


@pytest.mark.parametrize("text", ["# only a comment\n", "---\n...\n", "%YAML 1.2\n---\n"])
def test_a_file_without_a_mapping_is_an_error(text, tmp_path):
    assert re.search("is empty|is a mapping with", str(problems(tmp_path, text)[0]))


def test_a_file_may_have_a_million_bytes_and_no_more():
    assert len(read_text("f", b"#" * MAX_BYTES)) == MAX_BYTES
    with pytest.raises(SweepFileError, match="more than 1,000,000 bytes, the most that is allow"):
        read_text("f", b"#" * (MAX_BYTES + 1))


def test_every_duplicate_key_is_told_with_its_path_and_the_first_one_holds():
    root, found = parse("f", "a: {b: 1, b: 2}\nc: 3\na: 4\n")
    assert [(p.line, p.column, p.path) for p in found] == [(1, 11, "a.b"), (3, 1, "a")]
    assert found[0].message == "duplicate key 'b'; it stands on line 1 already"
    assert root.plain() == {"a": {"b": 1}, "c": 3}


@pytest.mark.parametrize(
    ("text", "tag", "column"),
    [
        ("a: !!int 5", "!!int", 4),
        ("a: !x [1]", "!x", 4),
        ("a: !!python/object/apply:os.system [ls]", "!!python/object/apply:os.system", 4),
        ("a: !<tag:x,2000:y> {}", "tag:x,2000:y", 4),
        ("a: ! b", "!", 4),
        ("!!map {a: 1}", "!!map", 1),
    ],
)
def test_a_tag_is_told_once_and_the_rest_of_the_file_is_read(text, tag, column):
    _, (found,) = parse("f", text)
    assert found.message == f"the tag {tag} is not allowed; write plain values"
    assert (found.line, found.column) == (1, column)


def test_a_number_too_long_to_be_meant_is_told_without_its_digits():
    assert tree(f"a: {'9' * MAX_DIGITS}").plain() == {"a": 10**MAX_DIGITS - 1}
    _, (found,) = parse("f", f"a: [1, {'9' * 5001}]")
    assert found.message == "must have at most 40 digits, got a whole number of 5,001 digits"
    assert found.path == "a[1]"
    assert not parse("f", f"{'9' * 50}: 1")[1]  # a key is text


@pytest.mark.parametrize(
    ("text", "match", "line", "column"),
    [
        ("a: *x", r"no anchor &x before this", 1, 4),
        ("a: &x {b: *x}", r"the alias \*x stands inside its own anchor: a loop", 1, 11),
        ("a: &x [1, *x]", r"inside its own anchor", 1, 11),
        ("a: 1\n---\nb: 2", "a second YAML document begins here", 2, 1),
        ("a: 1\n...\n---\nb: 2", "a second YAML document", 3, 1),
        ("a:\n\tb: 1", "a tab cannot indent YAML; use spaces", 2, 1),
        ("? [a]\n: 1", "a key must be text, found a list or a mapping", 1, 3),
        ("{a: 1}: 2", "a key must be text", 1, 1),
        ("a: &x [1]\n*x : 2", "a key must be text", 2, 1),
        ("a: 1\nb: \x00", r"the character U\+0000 is not allowed in YAML", 2, 4),
        ("a: 1\x0c\nb: \x07", r"U\+000C", 1, 5),
        ("a: b: c", "not valid YAML: mapping values are not allowed here", 1, 5),
        ("a: [1, 2", "not valid YAML: while parsing a flow sequence", 1, 9),
        ('a: "x', "unexpected end of stream", 1, 6),
        ("a:\n   b: 1\n  c: 2", "not valid YAML: while parsing a block mapping", 3, 3),
        ("a: &x 1\nb: @", "cannot start any token", 2, 4),
    ],
)
def test_what_cannot_be_read_on_stops_at_its_place(text, match, line, column):
    refusal(text, match, line, column)


def test_a_syntax_error_comes_with_the_duplicates_before_it():
    with pytest.raises(SweepFileError) as caught:
        parse("f", "a: 1\na: 2\nb: [")
    assert [problem.line for problem in caught.value.problems] == [2, 3]


def test_nesting_has_a_limit_also_through_aliases():
    depth = MAX_DEPTH - 1
    tree("a: " + "[" * depth + "]" * depth)
    refusal("a: " + "[" * 40, f"nested more than {MAX_DEPTH} levels deep", 1, 3 + MAX_DEPTH)
    half = "[" * 20 + "]" * 20
    refusal(f"a: &x {half}\nb: {'[' * 20} *x", "nested more than 32 levels deep", 2, 25)


def test_values_have_a_limit_with_aliases_counted_where_they_are_used():
    tree(f"a: [{','.join('1' * (MAX_NODES - 3))}]")
    refusal(f"a: [{','.join('1' * MAX_NODES)}]", "more than 30,000 values", 1, 2 * MAX_NODES - 1)
    lines = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 10)]
    begun = time.process_time()
    with pytest.raises(SweepFileError, match=r"more than 30,000 values \(aliases counted where"):
        parse("f", "\n".join(lines))
    assert time.process_time() - begun < 1


@pytest.mark.parametrize("text", ["!" * 900_000, "a: !" + "b" * 900_000, "[ !a!" + "!" * 9_000])
def test_a_tag_of_a_megabyte_is_refused_at_once(text):
    begun = time.process_time()
    with pytest.raises(SweepFileError, match="a tag of 1,000 characters or more is not allowed"):
        parse("f", text)
    assert time.process_time() - begun < 1


def test_a_text_may_hold_any_number_of_exclamation_marks():
    assert tree(f'a: "x{"!" * 5000}"').plain() == {"a": "x" + "!" * 5000}


@pytest.mark.parametrize("text", ["[" * 500_000, "{" * 500_000, "- " * 250_000, "? " * 250_000])
def test_a_bottomless_file_is_refused_at_once(text):
    begun = time.process_time()
    with pytest.raises(SweepFileError, match="nested more than"):
        parse("f", text)
    assert time.process_time() - begun < 1


def test_a_value_of_set_is_yaml():
    assert parse_value("[1, 2e-1]").plain() == (1, 0.2)
    assert parse_value(" ").plain() is None
    assert parse_value("'1'").plain() == "1"
    with pytest.raises(SweepFileError, match="the tag !x is not allowed"):
        parse_value("!x 1")
