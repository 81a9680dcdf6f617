"""After it was used, in processes that are forked and spawned; with any NUMBA_NUM_THREADS."""

import multiprocessing
import os
import subprocess
import sys

import numpy as np
import pytest
from small_runs import learn
from sources import ROOT

METHODS = [name for name in ("fork", "spawn", "forkserver") if name in multiprocessing.get_all_start_methods()]


@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
@pytest.mark.parametrize("engine", ["micro", "chain", "ode"])
@pytest.mark.parametrize("method", METHODS)
def test_processes_after_use(method, engine):
    """The threads of a pool are gone in a forked process; nothing may wait for them."""
    here = learn(engine)
    with multiprocessing.get_context(method).Pool(2) as pool:
        results = pool.map_async(learn, [engine] * 3).get(timeout=120)
    assert all(np.array_equal(result, here) for result in results)


@pytest.mark.parametrize("threads", ["1", "8"])
def test_any_number_of_threads_of_numba(threads):
    """Threads are onlinemode's own; Numba's pool is not used."""
    script = "from small_runs import learn; print(learn('micro').tobytes().hex())"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True,
                            env={**os.environ, "NUMBA_NUM_THREADS": threads, "PYTHONPATH": str(ROOT / "tests")})
    assert result.stdout.strip() == learn("micro").tobytes().hex()
