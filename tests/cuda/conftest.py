"""The tests of this folder need a CUDA device, or Numba's simulator of one.

    NUMBA_ENABLE_CUDASIM=1 pytest tests/cuda        # in the simulator; tests/test_cuda.py does this
    pytest tests/cuda                               # on the device

Without either they are not collected.
"""

import importlib.util
import os
import sys
import threading

import numpy as np
import pytest

SIMULATED = os.environ.get("NUMBA_ENABLE_CUDASIM") == "1"


def _usable():
    if SIMULATED:
        return True
    if importlib.util.find_spec("numba_cuda") is None:
        return False
    from onlinemode.kernels.cuda.device import missing

    return missing() is None


if not _usable():
    collect_ignore_glob = ["test_*.py"]
if SIMULATED:
    sys.setswitchinterval(1e-4)  # the simulator's threads wait for each other in a loop
    _lock = threading.Lock()

    def _shared_array(self, shape, dtype, alignment=None):
        """Shared memory that all threads of a block do share: the simulator's own may make it twice in a race."""
        caller = sys._getframe(1)
        place = caller.f_code.co_filename, caller.f_lineno
        with _lock:
            if place not in self._allocations:
                self._allocations[place] = np.empty(shape, dtype)
            return self._allocations[place]

    importlib.import_module("numba.cuda.simulator.kernelapi").FakeCUDAShared.array = _shared_array


def pytest_collection_modifyitems(items):
    for item in items:
        if "tests/cuda/" in str(item.path).replace("\\", "/") and SIMULATED:  # words of the generator overflow
            item.add_marker(pytest.mark.filterwarnings("ignore::RuntimeWarning"))
