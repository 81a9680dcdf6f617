"""Launches that follow each other again and again, handed to a CUDA device at once as a CUDA graph.

Numba takes tens of microseconds of the host for a launch, as long as a kernel of a moderate N runs; the
launch of a graph takes a few, whatever it holds.
"""

import contextlib
import weakref

from numba import cuda

from onlinemode.kernels.cuda.device import SIMULATED


class Graph:
    """Recorded launches."""

    def __init__(self, executable, driver):
        self._executable, self._driver = executable, driver
        weakref.finalize(self, _destroy, executable, driver)

    def launch(self):
        """Make all launches, after all that was launched before in the default stream; does not wait for them."""
        self._driver.cuGraphLaunch(self._executable, 0)


def _destroy(executable, driver):
    with contextlib.suppress(Exception):  # the context may be gone
        driver.cuGraphExecDestroy(executable)


def record(launches):
    """A graph of what ``launches(stream)`` launches in that stream.

    Parameters
    ----------
    launches : callable
        Launches compiled kernels whose arguments are on the device, and nothing else.  It is called once, and
        nothing runs then.

    Returns
    -------
    Graph or None
        None where the driver records no graphs, and in the simulator.
    """
    if SIMULATED:
        return None
    numba_driver = cuda.cudadrv.driver
    try:
        return _record(launches, numba_driver.driver, numba_driver.binding, cuda.external_stream)
    except numba_driver.CudaAPIError:
        return None


def _record(launches, driver, names, stream_of):
    """``driver`` has the functions, which raise where they fail, and ``names`` the constants of the driver API."""
    # of a stream that waits for the default one, a recording would keep all others from using that
    handle = driver.cuStreamCreate(int(names.CUstream_flags.CU_STREAM_NON_BLOCKING))
    try:
        driver.cuStreamBeginCapture(handle, names.CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_RELAXED)
        try:
            launches(stream_of(int(handle)))
        except BaseException:
            with contextlib.suppress(Exception):
                driver.cuGraphDestroy(driver.cuStreamEndCapture(handle))
            raise
        graph = driver.cuStreamEndCapture(handle)
        try:
            return Graph(driver.cuGraphInstantiate(graph, 0), driver)
        finally:
            driver.cuGraphDestroy(graph)
    finally:
        driver.cuStreamDestroy(handle)
