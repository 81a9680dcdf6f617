"""Four float64 in one register, where LLVM would not vectorise by itself.

It leaves short inner loops alone where it cannot know that arrays do not overlap, as with rows of
four or eight modes.  A value of four lanes is made by :func:`load` or :func:`splat`, computed with by
:func:`onlinemode.kernels.mathematics.fused.fma`, and put back by :func:`store`; on a processor with shorter
registers LLVM takes two.
"""

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.errors import TypingError
from numba.extending import models, register_model

from onlinemode.kernels.jit import instruction

LANES = 4


class LanesType(types.Type):
    """Numba's type of a value of four lanes."""

    def __init__(self):
        super().__init__("lanes of float64")


lanes_type = LanesType()
_VECTOR = ir.VectorType(ir.DoubleType(), LANES)


@register_model(LanesType)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager, front_end_type):
        super().__init__(manager, front_end_type, _VECTOR)


def _pointer(context, builder, array_type, array, indices):
    """Pointer to one entry; indices are taken as they are, never counted from the end."""
    array = context.make_array(array_type)(context, builder, array)
    return cgutils.get_item_pointer(context, builder, array_type, array, indices)


def _check(array, indices):
    if not (isinstance(array, types.Array) and array.layout == "C" and array.dtype == types.float64):
        raise TypingError(f"lanes are loaded from C-contiguous float64 arrays, got {array}")
    if len(indices) != array.ndim:
        raise TypingError(f"{array} needs {array.ndim} indices, got {len(indices)}")


@instruction(lambda array, row, column: array[row, column:column + LANES].copy())
def load(typing_context, array, row, column):
    """array[row, column], ..., array[row, column + 3]."""
    _check(array, (row, column))

    def codegen(context, builder, signature, arguments):
        pointer = _pointer(context, builder, signature.args[0], arguments[0], arguments[1:])
        return builder.load(builder.bitcast(pointer, _VECTOR.as_pointer()), align=8)

    return lanes_type(array, types.intp, types.intp), codegen


def _store_in_python(array, row, column, lanes):
    array[row, column:column + LANES] = lanes


@instruction(_store_in_python)
def store(typing_context, array, row, column, lanes):
    """Put four lanes at array[row, column], ..., array[row, column + 3]."""
    _check(array, (row, column))

    def codegen(context, builder, signature, arguments):
        pointer = _pointer(context, builder, signature.args[0], arguments[0], arguments[1:3])
        builder.store(arguments[3], builder.bitcast(pointer, _VECTOR.as_pointer()), align=8)
        return context.get_dummy_value()

    return types.void(array, types.intp, types.intp, lanes_type), codegen


def _four_times(builder, number):
    undefined = ir.Constant(_VECTOR, ir.Undefined)
    first = builder.insert_element(undefined, number, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(first, undefined, ir.Constant(ir.VectorType(ir.IntType(32), LANES), None))


@instruction(lambda number: np.full(LANES, number))
def splat(typing_context, number):
    """Four times the same float64."""

    def codegen(context, builder, signature, arguments):
        return _four_times(builder, arguments[0])

    return lanes_type(types.float64), codegen


@instruction(lambda array, row, column: np.full(LANES, array[row, column]))
def spread_2d(typing_context, array, row, column):
    """Four times array[row, column]."""
    _check(array, (row, column))

    def codegen(context, builder, signature, arguments):
        return _four_times(builder, builder.load(_pointer(context, builder, array, arguments[0], arguments[1:])))

    return lanes_type(array, types.intp, types.intp), codegen


@instruction(lambda array, plane, row, column: np.full(LANES, array[plane, row, column]))
def spread_3d(typing_context, array, plane, row, column):
    """Four times array[plane, row, column]."""
    _check(array, (plane, row, column))

    def codegen(context, builder, signature, arguments):
        return _four_times(builder, builder.load(_pointer(context, builder, array, arguments[0], arguments[1:])))

    return lanes_type(array, types.intp, types.intp, types.intp), codegen
