"""A kill at every change of the disk while `compare` writes its tables over older ones."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from fault_cases.killing import each_kill
from fault_cases.processes import folder_in_memory, harness, import_all, inside, run
from fault_cases.rows import Row
from fault_cases.small_sweep import subjects

NAMES = ("t.csv", "t.html")


def rows(tries: int) -> Iterator[Row]:
    import_all()
    with folder_in_memory() as home:
        subject, project = subjects(home)["runs"], home / "project"
        subject.prepare(project)
        assert run(subject.work, project).code == 0
        older, tables = home / "older", project / "tables"
        flags = [text for name in NAMES for text in (f"--{name[2:]}", f"tables/{name}")]
        compare = harness("compare", "sweep.yaml", *flags)
        tables.mkdir()
        assert run(compare, project).code == 0
        newer = _contents(tables)
        frame = pd.read_csv(tables / "t.csv")
        for path in tables.iterdir():  # older ones are told from new ones by a line more
            path.write_bytes(path.read_bytes() + b"older\n")
        shutil.copytree(tables, older)
        sound = {name: {content, newer[name]} for name, content in _contents(older).items()}

        def prepare() -> None:
            shutil.rmtree(tables)
            shutil.copytree(older, tables)

        def judge() -> str | None:
            found = _contents(tables)
            wrong = [name for name in NAMES if found.get(name) not in sound[name]]
            return f"{wrong[0]} is neither the old one nor the new one" if wrong else None

        def write() -> None:
            frame.to_csv(tables / "t.csv", index=False)
            (tables / "t.html").write_bytes(newer["t.html"])

        product = each_kill(prepare, inside(compare, project), judge, tables, tries)
        control = each_kill(prepare, write, judge, tables, tries)
        yield Row("kill while `compare` writes its tables", product, "`DataFrame.to_csv`", control)


def _contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}
