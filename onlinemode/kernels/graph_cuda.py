"""Launches that follow each other again and again, handed to a CUDA device at once as a CUDA graph.

Numba takes tens of microseconds of the host for a launch, as long as a kernel of a moderate N runs; the
launch of a graph takes a few, whatever it holds.
"""

import weakref

from numba import cuda

from onlinemode.kernels.device import SIMULATED


class Graph:
    """Recorded launches."""

    def __init__(self, executable, driver):
        self._executable, self._driver = executable, driver
        weakref.finalize(self, driver.cuGraphExecDestroy, executable)

    def launch(self):
        """Make all launches, after all that was launched before; does not wait for them."""
        _ask(self._driver.cuGraphLaunch, self._executable, int(cuda.default_stream().handle))


def record(launches):
    """A graph of what ``launches(stream)`` launches in that stream.

    Parameters
    ----------
    launches : callable
        Launches compiled kernels whose arguments are on the device, and nothing else; it is called once, and
        nothing runs meanwhile.

    Returns
    -------
    Graph or None
        None where the driver records no graphs, and in the simulator.
    """
    if SIMULATED:
        return None
    from cuda.bindings import driver

    try:
        return _record(launches, cuda.stream(), driver)
    except _Refused:
        return None


class _Refused(Exception):
    """The driver has returned an error."""


def _record(launches, stream, driver):
    handle = int(stream.handle)
    _ask(driver.cuStreamBeginCapture, handle, driver.CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_RELAXED)
    try:
        launches(stream)
    finally:  # or the stream would go on recording
        graph = _ask(driver.cuStreamEndCapture, handle)
    try:
        return Graph(_ask(driver.cuGraphInstantiate, graph, 0), driver)
    finally:
        driver.cuGraphDestroy(graph)


def _ask(function, *arguments):
    """What a function of the driver returns beside its error code."""
    error, *answer = function(*arguments)
    if int(error) != 0:
        raise _Refused(f"{function.__name__}: {error}")
    return answer[0] if answer else None
