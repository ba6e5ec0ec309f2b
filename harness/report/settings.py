"""What several runs have in common of their settings, and what tells them apart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

_NOT_TOLD = ("train.log_every", "checkpoint.")  # they decide no number


def shared_settings(all_params: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """The settings that all have alike, in the order of the first; at least one."""
    first, *others = all_params
    return {
        path: value
        for path, value in first.items()
        if all(other.get(path) == value for other in others)
    }


def telling_settings(
    all_params: Sequence[Mapping[str, str]], *, first: Iterable[str] = ()
) -> list[str]:
    """The settings of which at least two rows that have them differ, those in ``first`` leading.

    A setting that one optimizer has and the other lacks tells nothing beyond the optimizer's name.
    """
    paths = dict.fromkeys([*first, *(path for params in all_params for path in params)])
    return [
        path
        for path in paths
        if not path.startswith(_NOT_TOLD)
        and len({params[path] for params in all_params if path in params}) > 1
    ]
