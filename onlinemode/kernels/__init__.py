"""Numba code only: arrays and scalars in, arrays and scalars out."""
