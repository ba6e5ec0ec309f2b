from __future__ import annotations

from collections.abc import Callable

import pytest
from click.testing import Result
from typer.testing import CliRunner


@pytest.fixture
def harness(no_store_named) -> Callable[..., Result]:
    """Runs the command line in this process: `harness("run", path, "--json")`."""

    def harness(*arguments: object) -> Result:
        from harness.cli.main import app

        result = CliRunner().invoke(app, [str(argument) for argument in arguments])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return harness
