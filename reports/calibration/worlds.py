"""Simulated worlds: which cells are worse at what, and the verdict on every claim that is correct there."""

from __future__ import annotations

from collections.abc import Mapping

from reports.claims import CLAIMS
from reports.claims.comparisons import KEEPING, LINEAR, NORMALISED, UNGATED
from reports.statistics.strata import GROUPS, base_name

WORLDS = {
    "alike": "all cells are equal in every quantity, so that no task tells cells apart",
    "ungated": "cells without gates reach less far at tasks of remembering and of order, at every size",
    "identity": "as ungated, but identity_rnn and larger rnns are as good as the lstm, and equal initial flow closes the gap",
    "erase": "lstm_no_forget reaches less far at erase tasks unless its state is reset, its state grows, and it counts far; cells "
    "with complementary gates do not count; clamping gates lowers the score, and one value per event restores it",
    "forget": "lstm_no_forget reaches less far at erase and latch tasks, and does not count",
    "literature": "ungated and erase together; a constant leak, an initialisation that keeps and gates of the input alone reach "
    "less far at erase tasks; the plain RNN does not count",
    "leak": "as literature, but a constant leak is as good as the lstm everywhere, and cells with complementary gates count",
    "rnn": "cells without gates are worse everywhere, at short lags too; lstm_sigmoid_cell and gru at order",
    "mixed": "single networks reach further than the lstm at adding and less far at recall; gated cells cost three times the FLOPs",
    "enough": "the plain RNN at remembering and order, lstm_no_forget at erasing, and lru at parity reach less far, so that tasks tell cells apart; the plain RNN does not count; all others are equal",
}
"""Every world in words."""

_LIKE_LITERATURE = ("literature", "leak")
"""The worlds where all that `literature` says holds, but for what their own text changes."""
_SUPPORTED, _REFUTED, _OPEN = "supported", "refuted", "inconclusive"


def _truth(verdict: str, **exceptions: str) -> Mapping[str, str]:
    """Return the same correct verdict for every world except those named."""
    return dict.fromkeys(WORLDS, verdict) | exceptions


_GATES_NEEDED = dict.fromkeys(("ungated", "literature", "leak", "rnn"), _REFUTED)
_FORGETTING = dict.fromkeys(("erase", "literature", "leak"), _SUPPORTED)
TRUTH: dict[int, Mapping[str, str]] = {
    1: _truth(_SUPPORTED, **_GATES_NEEDED),
    2: _truth(_SUPPORTED, **_GATES_NEEDED),
    3: _truth(_REFUTED, **_FORGETTING),
    4: _truth(_OPEN, **_FORGETTING, forget=_REFUTED, enough=_SUPPORTED),
    5: _truth(_SUPPORTED, literature=_REFUTED),
    6: _truth(_OPEN, **_GATES_NEEDED, identity=_SUPPORTED, mixed=_REFUTED),
    7: _truth(_SUPPORTED, rnn=_REFUTED),
    8: _truth(_OPEN, **dict.fromkeys((*_GATES_NEEDED, "identity"), _SUPPORTED), mixed=_REFUTED),
    9: _truth(_SUPPORTED, erase=_REFUTED, literature=_REFUTED, rnn=_REFUTED),
    10: _truth(_OPEN, **_GATES_NEEDED, identity=_SUPPORTED, enough=_SUPPORTED),
    11: _truth(_REFUTED, **_FORGETTING),
    12: _truth(_SUPPORTED, erase=_REFUTED, literature=_REFUTED),
    13: _truth(_SUPPORTED, rnn=_REFUTED),
    14: _truth(_OPEN, erase=_SUPPORTED, literature=_SUPPORTED, forget=_REFUTED),
    15: _truth(_SUPPORTED, **dict.fromkeys(_LIKE_LITERATURE, _REFUTED)),
    16: _truth(_SUPPORTED, **_GATES_NEEDED, identity=_REFUTED),
}
"""Claim -> world -> the correct verdict. Where a claim's premise fails, it is `inconclusive`: any decision would be false."""
assert TRUTH.keys() == {claim.id for claim in CLAIMS}


def reach(world: str, cell: str, task: str, large: bool) -> int:
    """Return in which direction a cell's reach differs from the lstm's: −1, 0 or 1. The first rule that applies decides.

    :param cell: a label, with its options after a plus: `rnn+matched` starts with the same gradient decay as the lstm.
    :param large: whether the cell has more than the smallest number of parameters of the study.
    """
    group, ungated = GROUPS[base_name(task)], base_name(cell) in UNGATED or cell in (*UNGATED, *NORMALISED)
    like_literature = world in _LIKE_LITERATURE
    if cell.endswith("+matched"):
        return reach(world, base_name(cell), task, large) if world != "identity" else 0
    if world == "identity" and (cell == "identity_rnn" or (cell == "rnn" and large)):
        return 0
    if ungated and group in ("latch", "order") and (like_literature or world in ("ungated", "identity")):
        return -1
    if ungated and world == "rnn":
        return -1
    if world == "enough":
        failing = {"rnn": ("latch", "order"), "lstm_no_forget": ("erase",), "lru": ("state",)}
        return -1 if group in failing.get(cell, ()) and "+reset" not in task else 0
    if world == "mixed" and cell in UNGATED and cell.startswith("single_network"):
        return {"recall": -1, "adding": 1}.get(task, 0)
    if cell == "lstm_no_forget" and task == "continual_adding":
        return -1 if world in ("erase", "forget") or like_literature else 0
    if cell == "lstm_no_forget" and group == "latch":
        return -1 if world == "forget" else 0
    if group == "erase" and (cell in (*KEEPING, *LINEAR) or (cell == "lstm_static_leak" and world != "leak")):
        return -1 if like_literature else 0
    if world == "rnn" and (cell, group) in (("lstm_sigmoid_cell", "order"), ("gru", "order")):
        return -1
    # A task on which the linear recurrence is as good as the LSTM cannot show that others keep up.
    return -1 if cell == "lru" and group == "state" and like_literature else 0


def can_count(world: str, cell: str) -> bool:
    """Return whether networks of a cell still count in strings longer than those that they were trained on."""
    if cell == "lstm_no_forget":
        return world != "forget"
    if cell == "rnn":  # where other claims compare counting, some cell has to fail
        return world not in (*_LIKE_LITERATURE, "enough")
    return cell not in ("gru", "lstm_coupled") or world not in ("erase", "literature")


def flops(world: str, cell: str) -> float:
    """Return the FLOPs of a training step, relative to the cheapest cell."""
    if world == "mixed":
        return 3.0 if cell in ("lstm", "gru") else 1.0
    return 2.0 if world in (*_GATES_NEEDED, "identity") and cell in ("rnn", "single_network") else 1.0


def growth(world: str) -> float:
    """Return the factor by which the state norm of lstm_no_forget grows in ten windows."""
    return 8.0 if world in _FORGETTING else 1.0


def clamping(world: str, task: str) -> tuple[float, float]:
    """Return the score lost by clamping gates to their mean, and the part of it recovered by a mean per kind of event."""
    return (0.5, 0.5) if world in _FORGETTING and base_name(task) == task else (0.0, 0.0)
