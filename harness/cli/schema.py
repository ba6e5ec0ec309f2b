"""`harness schema`: the JSON Schema of sweep files, for editors."""

from __future__ import annotations

import json


def schema() -> None:
    """Print the JSON Schema of sweep files."""
    from harness.spec.schema import sweep_schema

    print(json.dumps(sweep_schema(), indent=2, ensure_ascii=False))
