"""The embedded Reber grammar of Hochreiter & Schmidhuber (1997), as a walk through a graph. Two tasks share it.

The edges of the Reber grammar carry symbols; where two leave a state, a coin decides:

    1 ─T→ 2, ─P→ 3    2 ─S→ 2, ─X→ 4    3 ─T→ 3, ─V→ 5    4 ─X→ 3, ─S→ 6    5 ─P→ 4, ─V→ 6

An inner string is B, the symbols from 1 to 6, E. An embedded string is B, the outer symbol T or P, an inner string, the
same outer symbol, E. As long as an inner string that ended now would be shorter than the lag, the walk takes the other
branch at 4 and 5; what the grammar allows does not depend on that.
"""

from enum import IntEnum
from functools import cache
from typing import NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Generator, Tensor
from torch.nn.functional import embedding

from tasks.base import Batch, mean
from tasks.prediction import Prediction

SYMBOLS = "BTPSXVE"
SHORTEST = 5  # BTXSE
LONGER = 100  # in fewer than 1 of 10¹³ strings, the inner one is longer than the lag by that much
EDGES = {1: "T2 P3", 2: "S2 X4", 3: "T3 V5", 4: "X3 S6", 5: "P4 V6", 6: "E7"}
COINS = 5  # as many steps of a walk are looked up at once: a table has an entry for each of their 2⁵ outcomes


class Role(IntEnum):
    """What a step is in its string."""

    BEFORE = 0
    START = 1
    CUE = 2  # the outer symbol
    INNER = 3
    DUE = 4  # the E of the inner string, after which the outer symbol is due
    RETURN = 5  # the outer symbol once more
    LAST = 6
    OVER = 7


class Node(NamedTuple):
    """What is shown at a step, with all that decides how the walk goes on."""

    role: Role
    symbol: str
    outer: str = ""
    state: int = 0
    """The state that the inner string has come to."""
    length: int = 0
    """Symbols of the inner string so far. Beyond the lag they all count alike."""

    def next(self, endless: bool) -> list["Node"]:
        """What the grammar allows next."""
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
                return [Node(Role.START, "B") if endless or self.role == Role.BEFORE else Node(Role.OVER, "")]

    def _inner(self, symbol: str, state: int) -> "Node":
        return Node(Role.DUE if symbol == "E" else Role.INNER, symbol, self.outer, state, self.length + 1)

    def walk(self, lag: int, endless: bool) -> list["Node"]:
        """Where the walk may go: one node, or two that a coin decides between."""
        nodes = self.next(endless)
        stay = [node for node in nodes if node.state != 6 or node.length + 1 >= lag]  # E is still to come
        return [node._replace(length=min(node.length, lag)) for node in stay]


class Walk(NamedTuple):
    """All nodes as numbers, the first one for what is before the first string."""

    branches: Int64[Tensor, "2 nodes"]
    """The next node by the side a coin falls on."""
    ends: Int64[Tensor, " looks"]
    """The node after `COINS` steps, times 2^COINS; a look is a node times 2^COINS plus the outcome of the coins."""
    paths: Int64[Tensor, "looks coins"]
    """The nodes on the way there."""
    inputs: Float[Tensor, "nodes symbols"]
    legal: Float[Tensor, "nodes symbols"]
    role: Int64[Tensor, " nodes"]
    endless: bool
    """Whether the last symbol of a string is followed by the next one."""

    def nodes(self, generator: Generator, start: Int64[Tensor, " batch"], steps: int) -> Int64[Tensor, "time batch"]:
        """The next nodes of several walks."""
        tosses = torch.randint(2**COINS, (-(-steps // COINS), len(start)), generator=generator)
        looks, at = [], start * 2**COINS
        for toss in tosses.unbind():
            looks.append(at + toss)
            at = self.ends.index_select(0, looks[-1])
        return self.paths[torch.stack(looks)].transpose(1, 2).flatten(0, 1)[:steps]

    def batch(self, nodes: Int64[Tensor, "time batch"]) -> Batch:
        role = self.role[nodes]
        counts = role < (Role.OVER if self.endless else Role.LAST)  # where something may follow
        return Batch(
            inputs=embedding(nodes, self.inputs),
            targets=embedding(nodes, self.legal),
            weight=counts.float(),
            events={"start": role == Role.START, "cue": role == Role.CUE, "due": role == Role.DUE, "query": counts},
        )

    def shares(self, steps: int) -> Float[Tensor, " symbols"]:
        """At which share of the steps that count each symbol may follow, in one string that is cut after `steps`."""
        at = (self.role == Role.START).double()
        legal, counted = torch.zeros(len(SYMBOLS)).double(), 0.0
        for _ in range(steps):
            legal += at @ self.legal.double()
            counted += at[self.legal.any(-1)].sum()
            after = torch.zeros_like(at)
            for side in self.branches:
                after.index_add_(0, side, at / 2)
            at = after * (self.role != Role.START)
        return (legal / counted).float()


@cache
def walk(lag: int, endless: bool) -> Walk:
    """The graph of the embedded grammar: string after string, or one string and nothing after it."""
    number, found, branches = {Node(Role.BEFORE, ""): 0}, [Node(Role.BEFORE, "")], []
    for node in found:  # it grows meanwhile
        nodes = node.walk(lag, endless)
        for new in nodes:
            if new not in number:
                number[new] = len(found)
                found.append(new)
        branches.append((number[nodes[0]], number[nodes[-1]]))
    sides = torch.tensor(branches).T
    outcomes = torch.arange(2**COINS)
    at, paths = torch.arange(len(found)).unsqueeze(1).expand(-1, 2**COINS), []
    for coin in range(COINS):
        at = sides[outcomes >> coin & 1, at]
        paths.append(at)
    return Walk(
        branches=sides,
        ends=at.flatten() * 2**COINS,
        paths=torch.stack(paths, -1).flatten(0, 1),
        inputs=torch.tensor([[float(s == node.symbol) for s in SYMBOLS] for node in found]),
        legal=torch.tensor([[float(s in {n.symbol for n in node.next(endless)}) for s in SYMBOLS] for node in found]),
        role=torch.tensor([node.role for node in found]),
        endless=endless,
    )


class Reber(Prediction):
    """What is asked on strings of the embedded grammar."""

    minimum_lag = SHORTEST
    lag_means = "smallest length of an inner string"

    def sizes(self, lag: int) -> tuple[int, int]:
        return len(SYMBOLS), len(SYMBOLS)

    def score(
        self,
        outputs: Float[Tensor, "*members time batch symbols"],
        targets: Float[Tensor, "*#members time batch symbols"],
        weight: Float[Tensor, "*#members time batch"],
    ) -> Float[Tensor, "*members"]:
        t, p = (SYMBOLS.index(symbol) for symbol in "TP")
        due = (targets.sum(-1) == 1) & (targets[..., t] + targets[..., p] == 1)  # elsewhere T and P are not alone
        said = (outputs[..., t] > outputs[..., p]) == (targets[..., t] == 1)
        return 2 * mean(said.to(weight.dtype), weight * due) - 1
