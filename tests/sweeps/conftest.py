"""What the tests of sweeps share."""

import numpy as np
import pytest
from small_sweeps import LONG, MANY, OVER, SMALL

import onlinemode as om


@pytest.fixture(scope="session")
def serial():
    """The small sweep, made in this process and kept in memory."""
    made = om.sweep(SMALL, OVER)
    assert (made.status == "completed").all() and np.isfinite(made.generalization_error).all()
    return made


@pytest.fixture(scope="session")
def long_serial():
    """The longer one."""
    return om.sweep(LONG, MANY)
