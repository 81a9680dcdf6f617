"""The widest vector registers for the hot loops, and for them alone.

On Intel processors with AVX-512 LLVM prefers registers of half the width, a choice from the days when
wide ones slowed the clock.  A function can ask otherwise, by an attribute of its own: nothing changes
for other functions in the process, and a processor without such registers gets the same machine code.
"""

from numba import types

from onlinemode.kernels.jit import instruction

ATTRIBUTE = '"prefer-vector-width"="512"'


@instruction(lambda: None)
def prefer_wide_registers(typing_context):
    """Stands in a function whose loops should use the widest registers; costs nothing at run time."""

    def codegen(context, builder, signature, arguments):
        # llvmlite's own `add` knows no attributes with values, LLVM and the printing of the set do
        set.add(builder.function.attributes, ATTRIBUTE)
        return context.get_dummy_value()

    return types.void(), codegen
