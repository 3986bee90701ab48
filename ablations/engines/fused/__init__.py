"""The fused engine: a cell's step, traced, becomes a native kernel that runs whole sequences forward and backward.

`trace` sees the step as torch does, `plan` decides what is multiplied and kept, `emit` writes C++, `build` compiles it
once, `run` runs it under autograd.
"""

from ablations.engines.fused.build import NotBuilt
from ablations.engines.fused.graph import Untraceable
from ablations.engines.fused.linear import linear
from ablations.engines.fused.run import prepare, scan

__all__ = ["NotBuilt", "Untraceable", "linear", "prepare", "scan"]
