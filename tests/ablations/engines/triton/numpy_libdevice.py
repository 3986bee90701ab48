"""Functions of CUDA's mathematical library in NumPy, for Triton's interpreter, which does not have them."""

import numpy as np
import triton.language as tl
from scipy import special
from triton.runtime.interpreter import TensorHandle

_OTHER_NAMES = {"erf": special.erf, "erfc": special.erfc, "nearbyint": np.rint, "pow": np.power}
_OTHER_NAMES |= {
    name: getattr(np, f"arc{name[1:]}") for name in ("asin", "acos", "atan", "asinh", "acosh", "atanh", "atan2")
}


class NumpyLibdevice:
    """In place of `triton.language.extra.libdevice`."""

    def __getattr__(self, name):
        function = _OTHER_NAMES.get(name) or getattr(np, name)

        def call(*args):
            tensors = [arg for arg in args if isinstance(arg, tl.tensor)]
            arrays = [arg.handle.data if isinstance(arg, tl.tensor) else np.float32(arg) for arg in args]
            with np.errstate(all="ignore"):
                result = np.asarray(function(*arrays), np.float32)
            shape = max((tensor.type for tensor in tensors), key=lambda kind: len(str(kind)))
            return tl.tensor(TensorHandle(result, tl.float32), shape)

        return call
