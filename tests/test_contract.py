"""The contract as outsiders check it: by names of files, flags, keys, tags and exit codes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from sweep_files import COMMAND, environment

SCRIPT = Path(__file__).parents[2] / "shared" / "contract_check.py"


@pytest.mark.slow
@pytest.mark.skipif(not SCRIPT.exists(), reason="contract_check.py is not beside this checkout")
def test_every_check_of_the_contract_holds():
    variables = environment()
    variables["PATH"] = f"{COMMAND.parent}:{variables['PATH']}"
    call = subprocess.run(
        [sys.executable, SCRIPT], capture_output=True, text=True, env=variables, timeout=300
    )
    failing = [line for line in call.stdout.splitlines() if not line.startswith("ok ")]
    assert failing == ["every check holds"], call.stderr
    assert call.returncode == 0
