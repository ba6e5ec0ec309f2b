"""The URL of a search's storage: what it names, how it is shown, whether there is anything at all.

Nothing here imports Optuna: a plan of searches that were never run does not need it. A password
stands in no message, whether it is where a URL has it or in its query.
"""

from __future__ import annotations

import dataclasses
import functools
from pathlib import Path

import sqlalchemy

from harness.errors import StoreError, escape, shorten

SECRETS = ("password", "passwd", "sslpassword")  # in a query


@dataclasses.dataclass(frozen=True)
class StorageUrl:
    """An SQLAlchemy URL as Optuna takes it; `str` of it is without its password."""

    url: sqlalchemy.URL

    @classmethod
    def parse(cls, text: str) -> StorageUrl:
        """Raises StoreError where it is none."""
        try:
            made = cls(sqlalchemy.make_url(text))
        except (sqlalchemy.exc.ArgumentError, ValueError) as error:  # a port that is no number
            raise StoreError(
                f"{_without_login(text)}: is no storage for a study; write sqlite:///PATH or "
                "another SQLAlchemy URL"
            ) from error
        name = made.url.database or ""
        # A `file:` name has a syntax of its own, in which it could be any file.
        if made.is_sqlite and (name in ("", ":memory:") or name.startswith("file:")):
            raise StoreError(f"{shorten(text)}: names no file; write sqlite:///PATH")
        return made

    def __str__(self) -> str:
        return escape(self.url.difference_update_query(SECRETS).render_as_string())

    @property
    def is_sqlite(self) -> bool:
        """Whether it names a file, or SQLite's database in memory."""
        return self.url.get_backend_name() == "sqlite"

    @functools.cached_property
    def file(self) -> Path | None:
        """The file of a SQLite URL; None for other databases."""
        return Path(self.url.database) if self.is_sqlite and self.url.database else None

    def may_hold_studies(self) -> bool:
        """False where there is no file yet; a server has to be asked."""
        if self.file is None:
            return not self.is_sqlite
        try:
            return self.file.exists()
        except OSError:  # no name that a file could have
            return False

    def without_secrets(self, message: str) -> str:
        """A driver's message in which no password is left."""
        for secret in (self.url.password, *(self.url.query.get(key) for key in SECRETS)):
            if secret:
                message = message.replace(str(secret), "***")
        return message


def storage_url(state_dir: Path, text: str | None) -> StorageUrl:
    """The storage of a search: what it says, else the file beside the runs."""
    if text is not None:
        return StorageUrl.parse(text)
    return StorageUrl(sqlalchemy.URL.create("sqlite", database=str(state_dir / "optuna.db")))


def _without_login(text: str) -> str:
    """A URL that cannot be parsed, without what may be a password in it."""
    head, at, tail = text.partition("?")[0].rpartition("@")
    scheme, slashes, _ = head.partition("//")
    return escape(f"{scheme if slashes else ''}{slashes}***@{tail}" if at else tail)
