"""Nothing below a store's folder is written or deleted through a link that leads out of it.

A store may come from somebody else: a folder unpacked, a disk shared. A link planted in it, under
`artifacts`, `.state` or `.cache`, would have checkpoints written, or removed, where it leads. The
store's folder itself may be a link (runs on a larger disk); below it, none may lead out.
"""

from __future__ import annotations

from pathlib import Path

from harness.errors import StoreError, escape

FOLDERS = ("artifacts", ".state", ".cache", ".cache/corpora", ".cache/checkpoints")


def require_inside(path: Path, root: Path) -> None:
    """Raise StoreError where the way from `root` to `path`, or `path` itself, is a link out."""
    try:
        real = path.resolve()
    except (OSError, RuntimeError) as error:  # links that lead to each other
        raise StoreError(f"{escape(str(path))}: cannot be followed: {error}") from error
    if not real.is_relative_to(root.resolve()):
        raise StoreError(
            f"{escape(str(path))}: leads out of {escape(str(root))}, to {escape(str(real))}: "
            "nothing is written or deleted there; put a folder in the link's place"
        )


def require_folders_inside(state_dir: Path) -> None:
    """Raise StoreError where one of the folders below `mlruns` is a link that leads out."""
    for name in FOLDERS:
        require_inside(state_dir / name, state_dir)


def require_no_link(path: Path) -> None:
    """Raise StoreError where a file that is harness's own to write is a link to another."""
    if path.is_symlink():
        leads = escape(str(path.readlink()))
        raise StoreError(f"{escape(str(path))}: is a link to {leads}, not followed; delete it")


def require_folder(folder: Path) -> None:
    """Raise StoreError where something else than a folder has the name `folder`."""
    if folder.is_dir():
        return
    if folder.is_symlink():
        leads = escape(str(folder.readlink()))
        raise StoreError(f"{escape(str(folder))}: is a link to {leads}, which is no folder")
    if folder.exists() and not folder.is_dir():  # else another process made it just now
        raise StoreError(f"{escape(str(folder))}: is a file, not a folder; move it away")
