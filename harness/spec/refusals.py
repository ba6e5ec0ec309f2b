"""Several mistakes of one section, reported together and each at its own key.

pydantic collects the errors of separate fields, but a validator that looks at several fields at
once can raise only one. `raise_refusals` raises all that it found, as one ValidationError that
pydantic merges into the caller's: each location is relative to the value being validated.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from pydantic import ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from harness.spec.wording import Location, unknown_key


class Refusal(NamedTuple):
    """One mistake: the keys that lead to it, what is wrong, and whether the key itself is."""

    location: Location
    message: str
    on_key: bool = False


def raise_refusals(title: str, refusals: Iterable[Refusal]) -> None:
    """Raise one ValidationError with every refusal; return when there is none."""
    details = [_details(refusal) for refusal in refusals]
    if details:
        raise ValidationError.from_exception_data(title, details)


def unknown_keys(value: Mapping[str, object], known: Collection[str]) -> list[Refusal]:
    """A refusal for each key of `value` that is none of `known`, with the name it stands for."""
    return [
        Refusal((key,), unknown_key(str(key), known), True) for key in value if key not in known
    ]


def _details(refusal: Refusal) -> InitErrorDetails:
    # Finished text: without values in the context, pydantic prints it as it stands, braces and all.
    context = {"on_key": True} if refusal.on_key else {}
    error = PydanticCustomError("harness", refusal.message, context)
    return InitErrorDetails(type=error, loc=refusal.location, input=None)
