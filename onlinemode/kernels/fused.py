"""Fused multiply-add as one rounding, on every processor.

LLVM does not contract ``a * b + c`` on the CPU unless told to, the CUDA compiler does; code whose
bits must agree on both says explicitly where the fused operation stands.
"""

from llvmlite import ir
from numba import types
from numba.core.errors import TypingError
from numba.extending import intrinsic


@intrinsic
def fma(typing_context, a, b, c):
    """``a * b + c`` with one rounding; all three are float32 or all three are float64."""
    if not (a == b == c and a in (types.float32, types.float64)):
        raise TypingError(f"fma takes three float32 or three float64, got {a}, {b}, {c}")

    def codegen(context, builder, signature, arguments):
        name = "llvm.fma.f32" if signature.return_type == types.float32 else "llvm.fma.f64"
        real = context.get_value_type(signature.return_type)
        function = builder.module.declare_intrinsic(name, fnty=ir.FunctionType(real, [real] * 3))
        return builder.call(function, arguments)

    return a(a, b, c), codegen
