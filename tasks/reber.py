"""The embedded Reber grammar of Hochreiter & Schmidhuber (1997) as a walk through a graph, and the base class of its tasks.

The edges of the Reber grammar carry symbols. Of the two edges that leave a state, each is taken with probability ½:

    1 ─T→ 2, ─P→ 3    2 ─S→ 2, ─X→ 4    3 ─T→ 3, ─V→ 5    4 ─X→ 3, ─S→ 6    5 ─P→ 4, ─V→ 6

An inner string is B, the symbols from 1 to 6, E. An embedded string is B, the outer symbol T or P, an inner string, the
same outer symbol, E. While an exit to 6 would make the inner string shorter than the lag, the walk takes the other edge
from 4 and 5. The symbols that the grammar allows do not depend on this.
"""

from enum import IntEnum
from functools import cache
from typing import NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Generator, Tensor
from torch.nn.functional import embedding

from tasks.base import Batch, Outputs, PerMember, ValueTargets, Weight, mean
from tasks.prediction import Prediction

SYMBOLS = "BTPSXVE"
SHORTEST = 5  # BTXSE
MAX_EXCESS = 100  # symbols beyond the lag that an inner string exceeds with a probability below 10⁻¹³
EDGES = {1: "T2 P3", 2: "S2 X4", 3: "T3 V5", 4: "X3 S6", 5: "P4 V6", 6: "E7"}
BLOCK = 5  # steps of a walk per table lookup; each takes one random bit, so that a node has 2⁵ rows


class Role(IntEnum):
    """The part of a string that a step belongs to."""

    BEFORE = 0
    START = 1
    CUE = 2  # the outer symbol
    INNER = 3
    DUE = 4  # the E of the inner string, after which the outer symbol is due
    RETURN = 5  # the outer symbol again
    LAST = 6
    AFTER = 7


class Node(NamedTuple):
    """A step of a string: the symbol shown and all that determines how the walk continues."""

    role: Role
    symbol: str
    outer: str = ""
    state: int = 0
    """The state of the Reber grammar, in the inner string."""
    length: int = 0
    """The number of symbols of the inner string so far, at most the lag."""

    def next(self, endless: bool) -> list["Node"]:
        """Return the nodes that the grammar allows next."""
        match self.role:
            case Role.START:
                return [Node(Role.CUE, outer, outer) for outer in "TP"]
            case Role.CUE:
                return [Node(Role.INNER, "B", self.outer, 1, 1)]
            case Role.INNER:
                return [self._inner(symbol, int(state)) for symbol, state in EDGES[self.state].split()]
            case Role.DUE:
                return [Node(Role.RETURN, self.outer)]
            case Role.RETURN:
                return [Node(Role.LAST, "E")]
            case _:
                return [Node(Role.START, "B") if endless or self.role == Role.BEFORE else Node(Role.AFTER, "")]

    def _inner(self, symbol: str, state: int) -> "Node":
        return Node(Role.DUE if symbol == "E" else Role.INNER, symbol, self.outer, state, self.length + 1)

    def branches(self, lag: int, endless: bool) -> list["Node"]:
        """Return the nodes that the walk takes next: one, or two with probability ½ each."""
        nodes = self.next(endless)
        allowed = [
            node for node in nodes if node.state != 6 or node.length + 1 >= lag
        ]  # state 6 is the exit: its E adds one more symbol
        return [node._replace(length=min(node.length, lag)) for node in allowed]


class Walk(NamedTuple):
    """The graph as tables over the indices of its nodes; node 0 precedes the first string.

    A row of `ends` and `paths` is 2^BLOCK times a node, plus the `BLOCK` random bits that choose the next branches."""

    branches: Int64[Tensor, "2 nodes"]
    """The next node, by the value of a random bit."""
    ends: Int64[Tensor, " rows"]
    """The node after `BLOCK` steps, times 2^BLOCK."""
    paths: Int64[Tensor, "rows steps"]
    """The nodes of these steps."""
    inputs: Float[Tensor, "nodes symbols"]
    legal: Float[Tensor, "nodes symbols"]
    """1 for the symbols that may follow."""
    role: Int64[Tensor, " nodes"]
    endless: bool
    """Whether another string follows a string."""

    def nodes(self, generator: Generator, start: Int64[Tensor, " batch"], steps: int) -> Int64[Tensor, "time batch"]:
        """Draw the next nodes of walks that are at the nodes `start`."""
        bits = torch.randint(2**BLOCK, (-(-steps // BLOCK), len(start)), generator=generator)
        rows, first_row = [], start * 2**BLOCK
        for block in bits.unbind():
            rows.append(first_row + block)
            first_row = self.ends.index_select(0, rows[-1])
        return self.paths[torch.stack(rows)].transpose(1, 2).flatten(0, 1)[:steps]

    def batch(self, nodes: Int64[Tensor, "time batch"]) -> Batch:
        """Return the batch of walks along these nodes."""
        role = self.role[nodes]
        counts = role < (Role.AFTER if self.endless else Role.LAST)  # where a symbol may follow
        return Batch(
            inputs=embedding(nodes, self.inputs),
            targets=embedding(nodes, self.legal),
            weight=counts.float(),
            events={"start": role == Role.START, "cue": role == Role.CUE, "due": role == Role.DUE, "query": counts},
        )

    def shares(self, steps: int) -> Float[Tensor, " symbols"]:
        """Return the share of the counted steps at which each symbol may follow, in one string cut after `steps`."""
        probability = (self.role == Role.START).double()
        legal, counted = torch.zeros(len(SYMBOLS)).double(), 0.0
        for _ in range(steps):
            legal += probability @ self.legal.double()
            counted += probability[self.legal.any(-1)].sum()
            following = torch.zeros_like(probability)
            for branch in self.branches:
                following.index_add_(0, branch, probability / 2)
            probability = following * (self.role != Role.START)
        return (legal / counted).float()


@cache
def walk(lag: int, endless: bool) -> Walk:
    """Return the graph of the embedded grammar: of string after string, or of one string followed by blanks."""
    nodes, branches = [Node(Role.BEFORE, "")], []
    index = {nodes[0]: 0}
    for node in nodes:  # the loop extends the list
        following = node.branches(lag, endless)
        for new in following:
            if new not in index:
                index[new] = len(nodes)
                nodes.append(new)
        branches.append((index[following[0]], index[following[-1]]))
    branch = torch.tensor(branches).T
    bits = torch.arange(2**BLOCK)
    at, paths = torch.arange(len(nodes)).unsqueeze(1).expand(-1, 2**BLOCK), []
    for step in range(BLOCK):
        at = branch[bits >> step & 1, at]
        paths.append(at)
    return Walk(
        branches=branch,
        ends=at.flatten() * 2**BLOCK,
        paths=torch.stack(paths, -1).flatten(0, 1),
        inputs=torch.tensor([[float(s == node.symbol) for s in SYMBOLS] for node in nodes]),
        legal=torch.tensor([[float(s in {n.symbol for n in node.next(endless)}) for s in SYMBOLS] for node in nodes]),
        role=torch.tensor([node.role for node in nodes]),
        endless=endless,
    )


class Reber(Prediction):
    """Next-symbol prediction on strings of the embedded Reber grammar, scored by the return of the outer symbol."""

    minimum_lag = SHORTEST
    lag_means = "smallest length of an inner string"

    def sizes(self, lag: int) -> tuple[int, int]:
        return len(SYMBOLS), len(SYMBOLS)

    def score(self, outputs: Outputs, targets: ValueTargets, weight: Weight) -> PerMember:
        t, p = (SYMBOLS.index(symbol) for symbol in "TP")
        due = (targets.sum(-1) == 1) & (targets[..., t] + targets[..., p] == 1)  # only the outer symbol is due alone
        correct = (outputs[..., t] > outputs[..., p]) == (targets[..., t] == 1)
        return 2 * mean(correct.to(weight.dtype), weight * due) - 1
