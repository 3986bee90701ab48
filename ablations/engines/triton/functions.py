# Elementary functions of the kernels. `emit` copies this file to the beginning of every module of kernels; nothing imports it.
# pyright: reportMissingImports=false, reportAttributeAccessIssue=false

import triton
import triton.language as tl
from triton.language.extra import libdevice


@triton.jit
def sigmoid(x):
    return 1.0 / (1.0 + tl.exp(-x))


@triton.jit
def tanh(x):
    size = tl.abs(x)
    e = tl.exp(-2.0 * size)
    large = (1.0 - e) / (1.0 + e)
    # Near 0, 1 - e loses digits: the Taylor series, whose next term is below half a unit in the last place.
    s = size * size
    small = size + size * s * (-0.33333333 + s * (0.13333334 + s * (-0.05396825 + s * (0.02186949 + s * -0.00886324))))
    y = tl.where(size < 0.3, small, large)
    return tl.where(x < 0, -y, y)


@triton.jit
def maximum(x, y):
    return tl.where(x > y, x, tl.where(y == y, tl.where(x == x, y, x), y))  # NaN if either is


@triton.jit
def minimum(x, y):
    return tl.where(x < y, x, tl.where(y == y, tl.where(x == x, y, x), y))


@triton.jit
def remainder(x, y):
    r = libdevice.fmod(x, y)
    return tl.where((r != 0) & ((r < 0) != (y < 0)), r + y, r)  # of the sign of y
