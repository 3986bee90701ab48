"""Time the fused engine and one peer in this process: `python pair.py '{"cell": ..., "peer": ..., "seconds": ..., "shapes": [...]}'`.

Prints one JSON object per line: the peak speed of the core, then a result per shape; a shape that fails has the error instead.
"""

import json
import sys
import time
from typing import Any

import numpy as np
import torch
from clock import Timed, interleaved, limit, settle
from peak import least_ms
from peers import INPUTS, PEERS, Problem, cell, ours


def agree(mine: tuple[Any, list[Any]], theirs: tuple[Any, list[Any]]) -> None:
    """Raise AssertionError unless the peer's loss and norm of the matrices' gradients equal ours."""

    def numbers(result: tuple[Any, list[Any]]) -> tuple[float, float]:
        loss, gradients = result
        arrays = [np.asarray(g.detach() if isinstance(g, torch.Tensor) else g) for g in gradients if g is not None]
        total = loss.detach() if isinstance(loss, torch.Tensor) else loss
        squares = sum(float(np.square(array, dtype=np.float64).sum()) for array in arrays)
        return float(np.asarray(total).sum()), squares**0.5

    np.testing.assert_allclose(numbers(theirs), numbers(mine), rtol=1e-3, err_msg="the peer computes something else")


def row(arguments: dict[str, Any], shape: dict[str, int], peak: float) -> dict[str, Any]:
    """Return the times of one shape per member, in turns with the peer and alone, and the least time there is; `peak` is the core's
    speed in Gflop/s.
    """
    peer = PEERS[arguments["peer"]]
    problem = Problem(cell(arguments["cell"]), peer.members, shape["steps"], shape["batch"], INPUTS, shape["hidden"])
    mine, theirs = ours(problem), peer.make(problem)
    agree(mine(), theirs())
    fused = Timed(mine, time.thread_time)
    turns = interleaved([fused, Timed(theirs, time.process_time)], arguments["seconds"])
    alone = interleaved([fused], arguments["seconds"])
    ms, peer_ms, alone_ms = (step_ms / peer.members for step_ms in [*turns, *alone])
    least = least_ms(problem, peak)
    return {
        "members": peer.members,
        "ms": ms,
        "peer_ms": peer_ms,
        "ratio": peer_ms / ms,
        "alone_ms": alone_ms,
        **least,
        "limit_share": least["least_ms"] / alone_ms,
    }


def main() -> None:
    settle()
    arguments = json.loads(sys.argv[1])
    limits = limit()
    print(json.dumps({"limits": limits}), flush=True)
    for shape in arguments["shapes"]:
        try:
            timed = row(arguments, shape, max(limits.values()))
        except Exception as error:  # a failure at one shape is recorded, and the next shape is tried
            timed = {"failed": f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"}
        print(json.dumps({**shape, **timed}), flush=True)


if __name__ == "__main__":
    main()
