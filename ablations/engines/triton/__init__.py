"""The triton engine: the plan of the fused engine (`ablations.engines.fused`) as kernels for a GPU, in single precision.

One program of a kernel runs a tile of the sequences of one member through all steps, forward or backward; the gradients
of the weights are batched products afterwards. The stages after those of the fused engine that trace and plan a step, each a
module:

    expressions  elementwise operators in Triton
    body         program → Triton code of one step
    emit         plan → complete source, a Python module
    functions    elementary functions, the beginning of that module; what is imported from Triton
    build        source → loaded module
    gradients    the gradients of the weights
    run          module → scan, an autograd function

Without a GPU, Triton's interpreter (TRITON_INTERPRET=1) runs the same source for tests.
"""

from ablations.engines.triton.build import Unavailable
from ablations.engines.triton.run import prepare, scan

__all__ = ["Unavailable", "prepare", "scan"]
