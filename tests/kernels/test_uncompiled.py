"""With NUMBA_DISABLE_JIT kernels are plain Python, which a debugger and a measure of coverage can follow."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import small_runs

SCRIPT = Path(small_runs.__file__)


@pytest.fixture(scope="module")
def compiled():
    return small_runs.results()


@pytest.fixture(scope="module")
def uncompiled(tmp_path_factory):
    folder = tmp_path_factory.mktemp("uncompiled")
    result = subprocess.run([sys.executable, "-W", "error", SCRIPT, "results.npz"], cwd=folder, capture_output=True,
                            text=True, env={**os.environ, "NUMBA_DISABLE_JIT": "1"})
    assert result.returncode == 0, result.stderr
    with np.load(folder / "results.npz") as file:
        return dict(file)


def different(compiled, uncompiled):
    """Names of what does not agree.

    Not to the last bit: Python has no fused multiply-add in float64, and LLVM sums in other orders.  The bias of linear
    noise comes from second differences of the drift, which magnify that.
    """
    return [name for name, expected in compiled.items()
            if not np.allclose(uncompiled[name], expected, rtol=0.0, equal_nan=True,
                               atol=(1e-5 if name.startswith("float32") or "bias" in name else 1e-9)
                               * np.max(np.abs(expected)))]


def test_kernels_in_python_give_what_machine_code_gives(compiled, uncompiled):
    assert set(compiled) == set(uncompiled) and len(compiled) > 200
    assert different(compiled, uncompiled) == []


def test_random_words_and_normals_are_the_same_bits(compiled, uncompiled):
    for name in ("words", "normals", "drawn"):
        assert np.array_equal(compiled[name], uncompiled[name])


def test_a_small_error_in_one_of_them_is_seen(compiled, uncompiled):
    name = "tanh chain: S"
    wrong = {**uncompiled, name: uncompiled[name] * (1.0 + 1e-8)}
    assert different(compiled, wrong) == [name]


def test_the_command_runs(tmp_path):
    command = [sys.executable, "-m", "onlinemode", "simulate", "--N", "10", "--alpha", "1", "--no-plot", "-q"]
    subprocess.run(command, cwd=tmp_path, check=True, env={**os.environ, "NUMBA_DISABLE_JIT": "1"})
    assert [path.suffix for path in tmp_path.iterdir()] == [".npz"]
