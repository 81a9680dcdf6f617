"""Fused multiply-add as one rounding, on every processor.

LLVM does not contract ``a * b + c`` on the CPU unless told to, the CUDA compiler does; code whose
bits must agree on both says explicitly where the fused operation stands.
"""

import numpy as np
from llvmlite import ir
from numba import types
from numba.core.errors import TypingError

from onlinemode.kernels.jit import instruction
from onlinemode.kernels.mathematics.lanes import lanes_type

_NAMES = {types.float32: "llvm.fma.f32", types.float64: "llvm.fma.f64", lanes_type: "llvm.fma.v4f64"}


def fma_in_python(a, b, c):
    """One rounding for float32, where the float64 product is exact; two for float64."""
    if isinstance(a, np.float32):
        return np.float32(np.float64(a) * np.float64(b) + np.float64(c))
    return a * b + c


@instruction(fma_in_python)
def fma(typing_context, a, b, c):
    """``a * b + c`` with one rounding; all three are float32, all float64, or all four lanes of float64."""
    if not (a == b == c and a in _NAMES):
        raise TypingError(f"fma takes three float32, three float64 or three of four lanes, got {a}, {b}, {c}")

    def codegen(context, builder, signature, arguments):
        real = context.get_value_type(signature.return_type)
        function = builder.module.declare_intrinsic(_NAMES[signature.return_type],
                                                    fnty=ir.FunctionType(real, [real] * 3))
        return builder.call(function, arguments)

    return a(a, b, c), codegen
