"""The fused engine: compile a cell's step to a native kernel that runs whole sequences, forward and backward, on the CPU.

The stages, each a module:

    trace    cell → torch.fx graphs of the step and its vector-Jacobian product
    graph    two torch.fx graphs → values with symbolic sizes
    plan     values → packed products (`products`), their order, and the values saved for backward
    layout   plan → C++ structs of the memory, and the locations of values
    body     program, locations → C++ body of the loop over time
    emit     plan → complete C++ source
    interface
             plan → source, names and sizes: all that the next stages need. On disk (`stored`), so that the stages above run once
    build    source → shared library, compiled once and cached
    planned  a cell's plan, and its sizes and numbers at the shapes of tensors
    run      library → scan, an autograd function
    verify   scan at the sizes of a population, compared with the eager engine

`linear` is the readout with a kernel of its own, `memory` the memory of large results.
"""

from ablations.engines.fused.build import NotBuilt
from ablations.engines.fused.graph import Untraceable
from ablations.engines.fused.linear import linear
from ablations.engines.fused.run import prepare, scan

__all__ = ["NotBuilt", "Untraceable", "linear", "prepare", "scan"]
