"""What experiments, searches and sweeps may be called.

A name becomes part of run names, globs, table cells and file names, so it may hold nothing that
one of these reads as syntax.
"""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Sequence

from harness.errors import show
from harness.spec.nodes import Node
from harness.spec.problems import Problems

MAX_LENGTH = 100
_SYNTAX = "/,=*?[]"  # of run names and of globs


def check_name(name: str, node: Node, problems: Problems, *, key: bool, syntax: bool) -> None:
    """Tells what is wrong with a name; ``syntax`` says whether run names are built from it."""
    message = None
    if not name.strip():
        message = "the name is empty"
    elif not name.isprintable():
        message = f"the name {show(name)} holds control characters"
    elif syntax and any(c in _SYNTAX for c in name):
        message = f"the name {show(name)} may hold none of {' '.join(_SYNTAX)}"
    elif not (name[0].isalnum() or name[0] == "_") or name != name.rstrip():
        message = f"the name {show(name)} must begin with a letter, a digit or _, and not end in"
        message += " a space"
    elif len(name) > MAX_LENGTH:
        message = f"the name {show(name)} is longer than {MAX_LENGTH} characters"
    if message is not None:
        problems.at(node, message, key=key)


def selects(patterns: Sequence[str], name: str) -> bool:
    """Whether one of the globs of `--only` matches a name; `*` crosses `/`."""
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def selects_search(patterns: Sequence[str], name: str) -> bool:
    """Whether one of the globs matches a search, or could match one of its trials."""
    named = any(is_trial_name(pattern, name) for pattern in patterns)
    return named or selects(patterns, name) or selects(patterns, trial_name(name, 0))


def compact(value: object) -> str:
    """A value as compact JSON, the way it stands in a run's name."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def trial_name(search: str, number: int) -> str:
    """What a search's trial is called as a run.

    >>> trial_name("adamw-lr", 7)
    'adamw-lr/trial=7'
    """
    return f"{search}/trial={number}"


def is_trial_name(name: str, search: str) -> bool:
    """Whether it is what a trial of the search is called, or the beginning of a glob for some.

    >>> is_trial_name("adamw-lr/trial=7", "adamw-lr"), is_trial_name("adamw-lr", "adamw-lr")
    (True, False)
    """
    return name.startswith(trial_name(search, 0)[:-1])
