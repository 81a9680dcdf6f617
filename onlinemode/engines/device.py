"""``device``: where an engine runs, and what a CUDA device cannot do."""

from onlinemode.errors import EngineError

DEVICES = ("cpu", "cuda", "auto")


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
        If there is no such device, or none is usable.
    """
    if device not in DEVICES:
        raise EngineError(f"device must be one of {', '.join(DEVICES)}; got {device!r}")
    if device == "cpu" or (device == "auto" and not worth):
        return "cpu"
    from onlinemode.kernels.device import missing

    reason = missing()
    if reason is None:
        return "cuda"
    if device == "auto":
        return "cpu"
    raise EngineError(f"device cuda cannot be used: {reason}")


def memory_error(N, needed, free, largest, remedy):
    """The error of a run that does not fit into the device's memory; ``largest`` is the largest N that does."""
    return EngineError(f"N = {N:,} needs {needed / 2**30:.3g} GiB of the device's memory, of which {free / 2**30:.3g} "
                       f"GiB are free; the largest N that fits is about {largest:,}: {remedy}")
