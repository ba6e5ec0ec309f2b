"""The sweep that is disturbed, of two runs or a search, and the script that is its control."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import chaos_outcome
from fault_cases.creating import open_default
from fault_cases.processes import Ended, asked, harness, run, script

SCRIPT = Path(__file__).resolve().parents[1] / "scripts" / "resumed_script.py"
STEPS, EVERY = 60, 10
FILE = "sweep.yaml"
