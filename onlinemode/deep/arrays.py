"""Where arrays live: NumPy on the processor, CuPy on a graphics card; the rest of the package takes either."""

import math
from importlib import import_module

import numpy as np

from onlinemode import checks
from onlinemode.errors import EngineError

DEVICES = ("cpu", "cuda")
PRECISIONS = ("float32", "float64")
ALIGNMENT = 16  # entries between the beginnings of two parameters in one buffer: whole vector registers


def array_module(device):
    """NumPy for ``"cpu"``, CuPy for ``"cuda"``.

    Raises
    ------
    EngineError
        If CuPy is not installed, or finds no graphics card.
    """
    if checks.choice("device", device, DEVICES) == "cpu":
        return np
    try:
        cupy = import_module("cupy")
    except ImportError:
        raise EngineError("device cuda needs CuPy, which is not installed; install a cupy-cuda package, or use device "
                          "cpu") from None
    try:
        cards = cupy.cuda.runtime.getDeviceCount()
    except Exception as problem:  # whatever the driver complains of
        raise EngineError(f"device cuda finds no usable graphics card ({str(problem).splitlines()[0]}); use device "
                          "cpu") from None
    if cards < 1:
        raise EngineError("device cuda finds no graphics card; use device cpu")
    return cupy


def to_numpy(array):
    """The array in the processor's memory."""
    return array.get() if hasattr(array, "get") else np.asarray(array)


def take_rows(xp, source, index, out):
    """The rows ``index`` of ``source`` into ``out``."""
    if xp is np:
        np.take(source, index, axis=0, out=out, mode="clip")  # mode="raise" would go through a copy
    else:
        xp.take(source, index, axis=0, out=out)


def flat_views(xp, shapes, dtype):
    """One flat array, and a view into it for each name.

    Parameters
    ----------
    xp : module
    shapes : dict
        Name to shape.
    dtype : str

    Returns
    -------
    flat : array
        Zeros; also between the views, where nothing is stored.
    views : dict
        Name to array.
    """
    starts, end = {}, 0
    for name, shape in shapes.items():
        starts[name] = end
        end += -(-math.prod(shape) // ALIGNMENT) * ALIGNMENT
    flat = xp.zeros(end, dtype)
    views = {name: flat[starts[name]:starts[name] + math.prod(shape)].reshape(shape)
             for name, shape in shapes.items()}
    return flat, views
