"""Who hears what the user should know while something is waited for, or done in another way."""

from collections.abc import Callable

Tell = Callable[[str], None]


def no_one(_text: str) -> None:
    """Hears what is told where nobody listens."""
