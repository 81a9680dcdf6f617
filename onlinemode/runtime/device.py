"""``device``: where an engine runs, and what a CUDA device cannot do."""

from onlinemode.errors import DeviceError, EngineError


def lacks(problem):
    """What of a problem no engine has on a device, as a message; None where there is nothing."""
    if problem.drops_out:
        return "device cuda has no dropout: use device cpu"
    if problem.tasks is not None:
        return "device cuda has no tasks: use device cpu"
    if problem.drifts:
        return "device cuda has no teacher that drifts: use device cpu"
    if problem.scheduled:
        return "device cuda has no schedules: use device cpu, or constant numbers"
    return None


def choose(device, worth):
    """``"cpu"`` or ``"cuda"``.

    Parameters
    ----------
    device : {"cpu", "cuda", "auto"}
        "auto" is "cuda" where a device is there and the run is ``worth`` it, else "cpu".
    worth : bool
        The engine can make this run on a device, and it is large.

    Raises
    ------
    EngineError
        If none is usable.
    """
    if device == "cpu" or (device == "auto" and not worth):
        return "cpu"
    from onlinemode.kernels.cuda.device import missing

    reason = missing()
    if reason is None:
        return "cuda"
    if device == "auto":
        return "cpu"
    raise EngineError(f"device cuda cannot be used: {reason}")


def run_there(asked, run):
    """The result of ``run()`` on the device; None where "auto" takes the CPU after all.

    Parameters
    ----------
    asked : {"cuda", "auto"}
        What the user said.
    run : callable

    Raises
    ------
    EngineError
        In one line, whatever the driver complains of.
    """
    try:
        return run()
    except DeviceError:
        if asked == "auto":
            return None
        raise
    except Exception as problem:
        if not type(problem).__module__.startswith(("numba.cuda", "numba_cuda", "cuda.")):
            raise
        first = (str(problem).strip().splitlines() or [type(problem).__name__])[0]
        raise EngineError(f"device cuda failed: {first}") from problem


def memory_error(N, needed, free, largest, remedy):
    """The error of a run that does not fit into the device's memory; ``largest`` is the largest N that does."""
    return DeviceError(f"N = {N:,} needs {needed / 2**30:.3g} GiB of the device's memory, of which {free / 2**30:.3g} "
                       f"GiB are free; the largest N that fits is about {largest:,}: {remedy}")
