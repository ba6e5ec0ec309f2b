"""`harness gc`: remove from a local store what nothing needs."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer

from harness.cli.errors import reporting
from harness.cli.options import AsJson, TrackingUri
from harness.errors import counted

DryRun = Annotated[bool, typer.Option("--dry-run", help="Only show what would go; remove nothing.")]


def gc(dry_run: DryRun = False, tracking_uri: TrackingUri = None, as_json: AsJson = False) -> None:
    """Remove superseded checkpoints, orphaned folders and the runs deleted in MLflow."""
    with reporting(as_json=as_json):
        from harness.cli.tables import print_table
        from harness.errors import escape
        from harness.garbage import collect_garbage

        found = collect_garbage(tracking_uri, dry_run=dry_run)
        if as_json:
            items = [item.to_json() for item in found.items]
            total = {"bytes": found.num_bytes, "notes": list(found.notes)}
            print(json.dumps({"dry_run": dry_run, "items": items, **total}))
            return
        for note in found.notes:
            print(f"harness: {escape(note)}", file=sys.stderr)
        if not found.items:
            print("nothing to remove")
            return
        rows = [[i.kind, i.what, i.reason, _size(i.num_bytes)] for i in found.items]
        print_table(["kind", "what", "why", "size"], rows, right=[3])
        done = "would go" if dry_run else "removed"
        print(f"\n{counted(len(rows), 'thing')} {done}: {_size(found.num_bytes)}")


def _size(num_bytes: int) -> str:
    """Bytes for people.

    >>> _size(999), _size(12_345), _size(3_000_000_000)
    ('999 B', '12.3 kB', '3.0 GB')
    """
    size, units = float(num_bytes), ["B", "kB", "MB", "GB", "TB"]
    while size >= 1000 and len(units) > 1:
        size, units = size / 1000, units[1:]
    return f"{size:.0f} B" if units[0] == "B" else f"{size:.1f} {units[0]}"
