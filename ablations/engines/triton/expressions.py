"""The elementwise operators of the fused engine (`ablations.engines.fused.operators`) as Triton expressions.

`{0}` is an argument: a block of numbers, or a number. A condition is a block of ones and zeros.
"""

_ARITHMETIC = {
    "add": "{0} + {1}",
    "sub": "{0} - {1}",
    "rsub": "{1} - {0}",
    "mul": "{0} * {1}",
    "div": "{0} / {1}",
    "neg": "-{0}",
    "reciprocal": "1.0 / {0}",
    "rsqrt": "1.0 / tl.sqrt_rn({0})",
    "full": "{0}",
    "copy": "{0}",
    "power0": "1.0",
    "power1": "{0}",
    "power2": "{0} * {0}",
    "power3": "{0} * {0} * {0}",
    "abs": "tl.abs({0})",
    "sign": "tl.where({0} > 0, 1.0, tl.where({0} < 0, -1.0, {0} * 0))",
    "maximum": "maximum({0}, {1})",
    "minimum": "minimum({0}, {1})",
    "relu": "maximum({0}, 0.0)",
    "where": "tl.where({0} != 0, {1}, {2})",
    "sigmoid": "sigmoid({0})",
    "tanh": "tanh({0})",
    "sqrt": "tl.sqrt_rn({0})",
    "floor": "tl.floor({0})",
    "ceil": "tl.ceil({0})",
    "remainder": "remainder({0}, {1})",
    "sigmoid_backward": "{0} * ((1.0 - {1}) * {1})",
    "tanh_backward": "{0} * (1.0 - {1} * {1})",
    "threshold_backward": "tl.where({1} <= {2}, 0.0, {0})",
    "zeros_like": "0.0",
}
_CONDITIONS = {
    "eq": "{0} == {1}",
    "ne": "{0} != {1}",
    "lt": "{0} < {1}",
    "le": "{0} <= {1}",
    "gt": "{0} > {1}",
    "ge": "{0} >= {1}",
    "logical_and": "({0} != 0) & ({1} != 0)",
    "logical_or": "({0} != 0) | ({1} != 0)",
    "logical_xor": "({0} != 0) ^ ({1} != 0)",
    "logical_not": "{0} == 0",
}
_LIBRARY = """
    exp exp2 expm1 log log1p log2 log10 sin cos tan asin acos atan sinh cosh asinh acosh atanh erf erfc trunc
    """
"""Functions of CUDA's mathematical library under the same name."""
EXPRESSIONS = {
    **_ARITHMETIC,
    **{name: f"tl.where({code}, 1.0, 0.0)" for name, code in _CONDITIONS.items()},
    **{name: f"libdevice.{name}({{0}})" for name in _LIBRARY.split()},
    "round": "libdevice.nearbyint({0})",
    **{name: f"libdevice.{name}({{0}}, {{1}})" for name in ("pow", "fmod", "atan2", "hypot")},
}
"""By the operator's name."""
