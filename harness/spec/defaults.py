"""The default of every setting, as the text that a run's record holds: what a run did not choose.

Read off the pydantic models. A setting that must be given has none, and an optimizer's arguments
have those of that optimizer.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from pydantic import BaseModel
from pydantic_core import to_jsonable_python

from harness.spec.optimizers import OPTIMIZERS
from harness.spec.run_config import RunConfig


def default_settings(optimizer: str | None) -> Mapping[str, str]:
    """Defaults by dotted path, those that are null left out; ``optimizer`` is the one in use."""
    found: dict[str, str] = {}
    for section, field in RunConfig.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            found |= _defaults_of(section, field.annotation)
    if optimizer in OPTIMIZERS:
        found |= _defaults_of("optimizer", OPTIMIZERS[optimizer])
        del found["optimizer.name"]  # which optimizer it is, is always chosen
    return found


def _defaults_of(section: str, model: type[BaseModel]) -> dict[str, str]:
    found = {}
    for key, field in model.model_fields.items():
        if field.is_required() or field.default is None:
            continue
        value = to_jsonable_python(field.get_default(call_default_factory=True))
        found[f"{section}.{key}"] = value if isinstance(value, str) else json.dumps(value)
    return found
