"""The tests of this folder need a CUDA device, or Numba's simulator of one.

    NUMBA_ENABLE_CUDASIM=1 pytest tests/cuda        # in the simulator; tests/test_cuda.py does this
    pytest tests/cuda                               # on the device

Without either they are not collected.
"""

import importlib.util
import os
import sys

import pytest

SIMULATED = os.environ.get("NUMBA_ENABLE_CUDASIM") == "1"


def _usable():
    if SIMULATED:
        return True
    if importlib.util.find_spec("numba_cuda") is None:
        return False
    from onlinemode.kernels.device import missing

    return missing() is None


if not _usable():
    collect_ignore_glob = ["test_*.py"]
if SIMULATED:
    sys.setswitchinterval(1e-4)  # the simulator's threads wait for each other in a loop


def pytest_collection_modifyitems(items):
    for item in items:
        if "tests/cuda/" in str(item.path).replace("\\", "/") and SIMULATED:  # words of the generator overflow
            item.add_marker(pytest.mark.filterwarnings("ignore::RuntimeWarning"))
