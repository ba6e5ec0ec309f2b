import importlib
import json
import pkgutil
import subprocess
import sys
from pathlib import Path

import numba
import numpy as np
from stacks import make_config, start, trained

from harness.train.stacked import cpu
from harness.train.stacked.cpu import compiling, steps


def test_the_first_compilation_is_announced_once_and_nothing_else_is():
    said = []
    with compiling.announced(said.append):
        for add in (1, 2.0):
            numba.njit(lambda x: x + x)(add)
    assert len(said) == 1
    assert said[0].startswith("compiling the stacked engine for this processor: ")
    assert str(compiling.cache_dir()) in said[0]
    with compiling.announced(said.append):
        trained(start(make_config(train={"steps": 1})))
        said.clear()  # whichever test runs first may have to compile
        trained(start(make_config(train={"steps": 1})))
    assert said == []


def test_machine_code_is_kept_outside_the_project_where_the_user_says(monkeypatch, tmp_path):
    project = Path(compiling.__file__).parents[4]
    assert not compiling.cache_dir().is_relative_to(project)
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    assert compiling.cache_dir().is_relative_to(tmp_path)
    monkeypatch.delenv("NUMBA_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    if sys.platform.startswith("linux"):
        assert compiling.cache_dir().is_relative_to(tmp_path / "xdg" / "harness")


def test_numbas_own_settings_are_left_as_they_were():
    before = numba.config.CACHE_DIR
    compiling.compiled(lambda x: x)
    assert before == numba.config.CACHE_DIR


def test_every_function_is_compiled_for_one_combination_of_types_at_most():
    trained(start(make_config(train={"steps": 1})))
    for info in pkgutil.iter_modules(cpu.__path__):
        module = importlib.import_module(f"{cpu.__name__}.{info.name}")
        for name, function in vars(module).items():
            if hasattr(function, "signatures") and function.py_func.__module__ == module.__name__:
                kinds = {str(one[2]) for one in function.signatures} if name == "gather" else ()
                assert len(function.signatures) <= max(1, len(kinds)), name


def test_numbers_pass_on_as_they_are():
    assert compiling.constant(3) == 3
    assert isinstance(compiling.constant(3), np.int64)
    assert steps.train_steps is not None


def test_neither_the_planner_nor_the_plain_engine_imports_the_compiler():
    code = (
        "import json, sys; import harness.train.engines, harness.spec.stacking, "
        "harness.train.stacked.layout; print(json.dumps([m in sys.modules for m in ['numba']]))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(out.stdout) == [False]


def polynomial(x):
    return (0.5 * x + 1.25) * x - 2.0


def test_machine_code_that_is_damaged_is_compiled_again(monkeypatch, tmp_path):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    assert compiling.compiled(polynomial)(3.0) == polynomial(3.0)
    files = [*tmp_path.rglob("*.nbi"), *tmp_path.rglob("*.nbc")]
    assert len(files) == 2
    for path in files:
        sound = path.read_bytes()
        for content in (b"", sound[:-1], bytes([sound[0] ^ 1]) + sound[1:]):
            path.write_bytes(content)
            again = compiling.compiled(polynomial)
            assert again(3.0) == polynomial(3.0)
            assert again.stats.cache_misses
            kept = compiling.compiled(polynomial)
            assert kept(3.0) == polynomial(3.0)
            assert kept.stats.cache_hits
