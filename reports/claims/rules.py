"""Rules over the outcomes of named contrasts, and the claims that are made of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from reports.statistics.comparison import DELTA, Compare


@dataclass(frozen=True)
class Is:
    """A rule: the contrast of this name has one of these outcomes. Unknown (None) where it is missing."""

    contrast: str
    outcomes: tuple[str, ...]

    def holds(self, found: Mapping[str, str]) -> bool | None:
        return None if found[self.contrast] == "missing" else found[self.contrast] in self.outcomes

    def leaves(self) -> tuple[Is, ...]:
        return (self,)


@dataclass(frozen=True)
class Every:
    """A rule: all of these hold. One that fails settles it, even where others are unknown."""

    rules: tuple[Rule, ...]

    def holds(self, found: Mapping[str, str]) -> bool | None:
        parts = [rule.holds(found) for rule in self.rules]
        return False if False in parts else None if None in parts else True

    def leaves(self) -> tuple[Is, ...]:
        return tuple(leaf for rule in self.rules for leaf in rule.leaves())


@dataclass(frozen=True)
class Some:
    """A rule: at least one of these holds. One that holds settles it, even where others are unknown."""

    rules: tuple[Rule, ...]

    def holds(self, found: Mapping[str, str]) -> bool | None:
        parts = [rule.holds(found) for rule in self.rules]
        return True if True in parts else None if None in parts else False

    def leaves(self) -> tuple[Is, ...]:
        return tuple(leaf for rule in self.rules for leaf in rule.leaves())


Rule = Is | Every | Some


def leads(contrast: str) -> Is:
    """a ≻ b."""
    return Is(contrast, ("better",))


def trails(contrast: str) -> Is:
    """b ≻ a."""
    return Is(contrast, ("worse",))


def ties(contrast: str) -> Is:
    """a ≈ b."""
    return Is(contrast, ("equivalent",))


def keeps_up(contrast: str) -> Is:
    """a ≽ b."""
    return Is(contrast, ("better", "equivalent", "not worse"))


@dataclass(frozen=True)
class Claim:
    """A statement from the discussion, what would support it and what would refute it."""

    id: int
    statement: str
    origin: str  # the question or answer it comes from
    compares: tuple[Compare, ...]
    supported: Rule
    refuted: Rule
    premise: Rule | None = None  # what the claim takes for granted
    premise_in_words: str = ""
    decisive: str = ""  # the contrast whose effect stands for the claim; "": the least favourable one to its a
    described: tuple[Compare, ...] = ()  # measured and shown beside it, in no rule
    preset: str = "why-gates"  # the study that runs its arms
    literature: str = ""  # with source and mark: [R] read, [M] from memory
    expects: str = ""  # the verdict that the literature suggests; "": it is open
    truth: Mapping[str, str] = field(default_factory=dict)  # simulated world -> the verdict that is right there
    delta: float = DELTA  # smallest difference in solve rate that matters
