"""What the kernels for a CUDA device are made with, and what the device is.

Device functions are made from the Python sources of the CPU's: a learning rule, an activation, a
generator is written once.  With NUMBA_ENABLE_CUDASIM=1 in the environment everything runs in Numba's
simulator, in Python, which the tests use.
"""

import importlib.util
import os
import sys
import warnings
from inspect import iscode
from types import FunctionType

import numpy as np
from numba import cuda

from onlinemode.kernels.mathematics import fused
from onlinemode.kernels.rule.losses import REAL_LABELS, SQUARED_LOSS

SIMULATED = os.environ.get("NUMBA_ENABLE_CUDASIM", "0") not in ("", "0")
INSTALLED = importlib.util.find_spec("numba_cuda") is not None


def missing():
    """What a device needs that is not there, as the end of a sentence; None where all is there."""
    if SIMULATED:
        return None
    if not INSTALLED:
        return "the package numba-cuda is not installed: pip install \"onlinemode[cuda]\""
    if not cuda.is_available():
        if cuda.cudadrv.driver.driver.is_available:
            return "there is a driver, but libNVVM was not found: set CUDA_HOME to a CUDA toolkit"
        return ("no CUDA device was found, or no NVIDIA driver of version 525 or later: look at nvidia-smi, or use "
                "device cpu")
    return None


def processors():
    """Number of multiprocessors."""
    return 2 if SIMULATED else cuda.get_current_device().MULTIPROCESSOR_COUNT


def name():
    """What the device calls itself."""
    if SIMULATED:
        return "simulator"
    name = cuda.get_current_device().name
    return name.decode() if isinstance(name, bytes) else name


def free_bytes():
    """Bytes of the device's memory that nobody uses."""
    if SIMULATED:
        return sys.maxsize
    context = cuda.current_context()
    context.memory_manager.deallocations.clear()  # what Numba has not given back yet
    return int(context.get_memory_info()[0])


def out_of_memory(problem):
    """Whether an exception says that the device's memory is full."""
    return isinstance(problem, MemoryError) or "OUT_OF_MEMORY" in str(problem)


def inlined(function):
    """A function of the device that becomes part of the kernels that call it; plain Python in the simulator."""
    return function if SIMULATED else cuda.jit(device=True, forceinline=True, lto=False)(function)


def kernel(function, threads=None, blocks=1):
    """A kernel from a Python function, compiled at its first launch.

    Parameters
    ----------
    function : callable
    threads : int, optional
        The most threads that it is launched with, for the choice of registers.
    blocks : int, default 1
        Blocks of threads that should fit on a multiprocessor.
    """
    if SIMULATED:
        return cuda.jit(function)
    bounds = {} if threads is None else {"launch_bounds": (threads, blocks)}
    return cuda.jit(lto=False, **bounds)(function)  # so that what runs is the PTX that can be read


def launched(kernel, blocks, threads, stream=0):
    """A kernel with its grid, to be called with its arguments."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Grid size")  # Numba's advice about small grids
        return kernel[blocks, threads, stream]


def _fma_on_device(a, b, c):
    return cuda.fma(a, b, c)


_made = {fused.fma: fused.fma_in_python if SIMULATED else inlined(_fma_on_device)}


def on_device(function):
    """The device's form of a function that is compiled for the CPU, made from the same Python source.

    Compiled functions that it calls come with it; :func:`onlinemode.kernels.mathematics.fused.fma` becomes the
    device's own.
    """
    if function not in _made:
        source = function.py_func
        known = dict(source.__globals__)
        for used in _names(source.__code__):
            value = known.get(used)
            if value is fused.fma or hasattr(value, "py_func"):
                known[used] = on_device(value)
        _made[function] = inlined(FunctionType(source.__code__, known, source.__name__, source.__defaults__))
    return _made[function]


def _names(code):
    """The global names in a piece of code, also of functions within it."""
    found = set(code.co_names)
    for constant in code.co_consts:
        if iscode(constant):
            found |= _names(constant)
    return found


def _four_in_python(array, start):
    return array[start], array[start + 1], array[start + 2], array[start + 3]


def _make_load4():
    """Four numbers that follow each other, in loads of 16 bytes, which ``start`` must be a multiple of."""
    from llvmlite import ir
    from numba.core import types
    from numba.cuda.extending import intrinsic

    @intrinsic
    def load4(typing_context, array, start):
        def codegen(context, builder, signature, arguments):
            array_type = signature.args[0]
            data = context.make_array(array_type)(context, builder, arguments[0]).data
            number = context.get_data_type(array_type.dtype)
            lanes = 2 if array_type.dtype == types.float64 else 4
            vector = ir.VectorType(number, lanes)
            values = []
            for first in range(0, 4, lanes):
                place = builder.add(arguments[1], ir.Constant(arguments[1].type, first))
                pointer = builder.bitcast(builder.gep(data, [place]), vector.as_pointer(data.type.addrspace))
                loaded = builder.load(pointer, align=16)
                values += [builder.extract_element(loaded, ir.Constant(ir.IntType(32), i)) for i in range(lanes)]
            return context.make_tuple(builder, signature.return_type, values)

        return types.UniTuple(array.dtype, 4)(array, types.intp), codegen

    return load4


load4 = _make_load4() if INSTALLED and not SIMULATED else _four_in_python


def rule_on_device(rule):
    """A learning rule whose arrays are on the device."""
    def moved(activation):
        return activation._replace(segments=to_device(activation.segments), pieces=to_device(activation.pieces))

    return rule._replace(activation=moved(rule.activation), teacher_activation=moved(rule.teacher_activation),
                         loss=rule.loss or SQUARED_LOSS, labels=rule.labels or REAL_LABELS, dropout=0,
                         timetable=0)


def to_device(array):
    """A copy of an array of NumPy on the device."""
    return cuda.to_device(np.ascontiguousarray(array))
