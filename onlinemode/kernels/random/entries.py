"""Independent entries that are not normal, float32, from the Philox stream: the same bits on every device.

A sign takes one bit of a word, a uniform number 24 (docs/theory, section 9.1).
"""

import math

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.errors import TypingError

from onlinemode.kernels.jit import compiled, instruction
from onlinemode.kernels.random.philox import philox, stream_word
from onlinemode.kernels.registers import prefer_wide_registers

SIGNS_A_WORD = 32
SIGNS_A_COUNTER = 4 * SIGNS_A_WORD
COUNTERS_TOGETHER = 8  # that fill the widest registers: one more left over would cost as much as all of them

_LOW = np.uint64(0xFFFFFFFF)
_SHIFT = np.uint64(32)
_SIGN_BIT = np.uint32(1 << 31)
_ONE_BITS = np.uint32(0x3F800000)  # of 1.0
_LAST_BIT = np.uint32(31)
_EIGHT = np.uint32(8)
_CELLS = np.int32(2**24 - 1)
_UNIFORM_UNIT = np.float32(math.sqrt(3.0) * 2.0**-24)


@compiled(forceinline=True)
def sign_of_bit(word, bit):
    """-1 where this bit of a uint32 word is set, else 1, as float32; bits count from the lowest, 0."""
    bits = np.uint32(np.uint32(np.uint32(word << np.uint32(_LAST_BIT - bit)) & _SIGN_BIT) | _ONE_BITS)
    return bits.view(np.float32)


@compiled(forceinline=True)
def uniform_of_word(word):
    """A float32, the middle of one of 2^24 cells of (-√3, √3), from a uint32 word."""
    middle = np.int32(np.int32(np.int32(word >> _EIGHT) << np.int32(1)) - _CELLS)  # odd, below 2^24: exact in float32
    return np.float32(middle) * _UNIFORM_UNIT


def _store_signs_in_python(out, begin, word):
    for bit in range(SIGNS_A_WORD):
        out[begin + bit] = sign_of_bit(word, np.uint32(bit))


@instruction(_store_signs_in_python)
def _store_signs(typing_context, out, begin, word):
    """out[begin + b] <- sign_of_bit(word, b) for all 32 bits at once; LLVM unrolls such a loop without vectors."""
    if not (isinstance(out, types.Array) and out.layout == "C" and out.dtype == types.float32 and out.ndim == 1):
        raise TypingError(f"signs are stored in C-contiguous float32 arrays of one axis, got {out}")
    real = ir.FloatType()
    signs, bits = ir.VectorType(real, SIGNS_A_WORD), ir.VectorType(ir.IntType(1), SIGNS_A_WORD)

    def codegen(context, builder, signature, arguments):
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        pointer = cgutils.get_item_pointer(context, builder, signature.args[0], array, arguments[1:2])
        minus, plus = (ir.Constant(signs, [ir.Constant(real, sign)] * SIGNS_A_WORD) for sign in (-1.0, 1.0))
        value = builder.select(builder.bitcast(arguments[2], bits), minus, plus)
        builder.store(value, builder.bitcast(pointer, signs.as_pointer()), align=4)
        return context.get_dummy_value()

    return types.void(out, types.intp, types.uint32), codegen


@compiled(forceinline=True)
def words_for(length):
    """Space for the words of so many entries of either kind, wherever they begin: the columns of ``words``."""
    return max(length // 4, length // SIGNS_A_COUNTER + 2 + COUNTERS_TOGETHER)


@compiled(inner=True)
def _fill_words(words, count, first_index, stream, replica, sample, seed):
    """words[r, i] is word r of counter index ``first_index + i``."""
    prefer_wide_registers()
    c1 = stream_word(stream, replica)
    c2, c3 = np.uint64(sample) & _LOW, np.uint64(sample) >> _SHIFT
    k0, k1 = np.uint64(seed) & _LOW, np.uint64(seed) >> _SHIFT
    start = np.uint64(first_index)
    for i in range(count):
        w0, w1, w2, w3 = philox((start + np.uint64(i)) & _LOW, c1, c2, c3, k0, k1)
        words[0, i] = w0
        words[1, i] = w1
        words[2, i] = w2
        words[3, i] = w3


@compiled(inner=True)
def fill_uniforms(out, first, stream, replica, sample, seed, words):
    """Fill ``out`` with the uniform entries of one sample, from entry ``first`` on.

    Parameters
    ----------
    out : float32 array, length a multiple of 4
        Entry 4 i + r of the sample belongs to word r of counter index i.
    first : int
        A multiple of 4.
    stream, replica, sample, seed : int
        As for :func:`onlinemode.kernels.random.normals.fill_normals`.
    words : uint32 array (4, at least words_for(len(out)))
        Scratch space.
    """
    prefer_wide_registers()
    count = out.size // 4
    _fill_words(words, count, first // 4, stream, replica, sample, seed)
    for i in range(count):
        out[4 * i] = uniform_of_word(words[0, i])
        out[4 * i + 1] = uniform_of_word(words[1, i])
        out[4 * i + 2] = uniform_of_word(words[2, i])
        out[4 * i + 3] = uniform_of_word(words[3, i])


@compiled(inner=True)
def fill_signs(out, first, stream, replica, sample, seed, words):
    """Fill ``out`` with the signs of one sample, from entry ``first`` on.

    Parameters
    ----------
    out : float32 array
        Entry 128 i + 32 r + b of the sample belongs to bit b of word r of counter index i.
    first : int
    stream, replica, sample, seed, words
        As for :func:`fill_uniforms`.
    """
    prefer_wide_registers()
    last = first + out.size
    index = first // SIGNS_A_COUNTER
    counters = -(-last // SIGNS_A_COUNTER) - index
    together = -(-counters // COUNTERS_TOGETHER) * COUNTERS_TOGETHER
    _fill_words(words, together, index, stream, replica, sample, seed)
    for k in range(first // SIGNS_A_WORD, -(-last // SIGNS_A_WORD)):
        word = words[k & 3, (k >> 2) - index]
        begin = k * SIGNS_A_WORD - first
        if begin >= 0 and begin + SIGNS_A_WORD <= out.size:
            _store_signs(out, begin, word)
        else:
            for b in range(max(0, -begin), min(SIGNS_A_WORD, out.size - begin)):
                out[begin + b] = sign_of_bit(word, np.uint32(b))
