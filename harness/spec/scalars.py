"""Plain text of a YAML file to numbers, booleans, null or text, by YAML 1.2's core schema.

`1e-2` is a number, `0123` is 123, and `no`, `1:30` and `1_000` are text: what a user of JSON
expects, and not what YAML 1.1 did.
"""

from __future__ import annotations

import math
import re

from harness.spec.nodes import Scalar

_MAX_NUMBER = 10_000  # characters of a number; a longer one stays text
_NULL = {"", "~", "null", "Null", "NULL"}
_BOOL = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INT = re.compile(r"[-+]?[0-9]+")
_OTHER_INT = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_INF = re.compile(r"[-+]?\.(inf|Inf|INF)")
_NAN = {".nan", ".NaN", ".NAN"}


def resolve(text: str) -> Scalar:
    """What a plain (unquoted) scalar stands for (YAML 1.2, section 10.3.2)."""
    if text in _NULL:
        return None
    if text in _BOOL:
        return _BOOL[text]
    if len(text) > _MAX_NUMBER or text[0] not in "-+.0123456789":
        return text
    return _number(text)


def _number(text: str) -> Scalar:
    if _INT.fullmatch(text):
        return _decimal(text)
    if _OTHER_INT.fullmatch(text):
        return int(text, 0)
    if _FLOAT.fullmatch(text):
        return float(text)
    if _INF.fullmatch(text):
        return -math.inf if text[0] == "-" else math.inf
    return math.nan if text in _NAN else text


def _decimal(text: str, digits: int = 4000) -> int:
    """``int(text)``, also beyond the number of digits that CPython converts in one go."""
    if len(text) <= digits:
        return int(text)
    sign, value = (-1 if text[0] == "-" else 1), 0
    body = text.lstrip("+-")
    for start in range(0, len(body), digits):
        part = body[start : start + digits]
        value = value * 10 ** len(part) + int(part)
    return sign * value
