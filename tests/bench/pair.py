"""Ours and a peer's, in a process of their own: `python pair.py '{"cell": ..., "peer": ..., "seconds": ..., "shapes": [...]}'`.

Prints JSON: the limit of the core, then a row per shape; a shape that fails is a row that says why.
"""

import json
import sys
from typing import Any

import numpy as np
import torch
from clock import interleaved, limit, settle
from packed import Packed
from peers import INPUTS, PEERS, TORCH, Problem, cell, ours


def agree(mine: tuple[Any, list[Any]], theirs: tuple[Any, list[Any]]) -> None:
    """Refuse to race against something else: the loss and the size of the matrices' gradients have to be ours."""

    def numbers(result: tuple[Any, list[Any]]) -> tuple[float, float]:
        loss, gradients = result
        arrays = [np.asarray(g.detach() if isinstance(g, torch.Tensor) else g) for g in gradients if g is not None]
        total = loss.detach() if isinstance(loss, torch.Tensor) else loss
        squares = sum(float(np.square(array, dtype=np.float64).sum()) for array in arrays)
        return float(np.asarray(total).sum()), squares**0.5

    np.testing.assert_allclose(numbers(theirs), numbers(mine), rtol=1e-3, err_msg="the peer computes something else")


def row(asked: dict[str, Any], shape: dict[str, int], best: float) -> dict[str, Any]:
    """Time one shape."""
    peer = PEERS[asked["peer"]]
    problem = Problem(cell(asked["cell"]), peer.members, shape["steps"], shape["batch"], INPUTS, shape["hidden"])
    mine, theirs = ours(problem), peer.make(problem)
    agree(mine(), theirs())
    ms, peer_ms = (each / peer.members for each in interleaved([mine, theirs], asked["seconds"]))
    flops = Packed(problem.cell, TORCH).flops(problem.draw()[0]) * shape["steps"] * shape["batch"]
    gflops = flops / ms / 1e6
    return {"ms": ms, "peer_ms": peer_ms, "ratio": peer_ms / ms, "gflops": gflops, "limit_share": gflops / best}


def main() -> None:
    settle()
    asked = json.loads(sys.argv[1])
    limits = limit()
    print(json.dumps({"limits": limits}), flush=True)
    for shape in asked["shapes"]:
        try:
            timed = row(asked, shape, max(limits.values()))
        except Exception as error:  # whatever stops a peer at one shape is a result, and the next shape is tried
            timed = {"failed": f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"}
        print(json.dumps({**shape, **timed}), flush=True)


if __name__ == "__main__":
    main()
