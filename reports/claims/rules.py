"""Rules over the outcomes of named contrasts, and the claims that consist of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from reports.statistics.comparison import Comparison


@dataclass(frozen=True)
class Is:
    """A rule: the named contrast has one of these outcomes. Unknown (None) if the contrast is missing."""

    contrast: str
    outcomes: tuple[str, ...]

    def holds(self, outcome_of: Mapping[str, str]) -> bool | None:
        outcome = outcome_of[self.contrast]
        return None if outcome == "missing" else outcome in self.outcomes

    def leaves(self) -> tuple[Is, ...]:
        return (self,)


@dataclass(frozen=True)
class Every:
    """A rule: all of these hold. False if one fails, even if others are unknown."""

    rules: tuple[Rule, ...]

    def holds(self, outcome_of: Mapping[str, str]) -> bool | None:
        results = [rule.holds(outcome_of) for rule in self.rules]
        return False if False in results else None if None in results else True

    def leaves(self) -> tuple[Is, ...]:
        return tuple(leaf for rule in self.rules for leaf in rule.leaves())


@dataclass(frozen=True)
class Some:
    """A rule: at least one of these holds. True if one holds, even if others are unknown."""

    rules: tuple[Rule, ...]

    def holds(self, outcome_of: Mapping[str, str]) -> bool | None:
        results = [rule.holds(outcome_of) for rule in self.rules]
        return True if True in results else None if None in results else False

    def leaves(self) -> tuple[Is, ...]:
        return tuple(leaf for rule in self.rules for leaf in rule.leaves())


Rule = Is | Every | Some


def better(contrast: str) -> Is:
    """a ≻ b."""
    return Is(contrast, ("better",))


def worse(contrast: str) -> Is:
    """a ≺ b."""
    return Is(contrast, ("worse",))


def equivalent(contrast: str) -> Is:
    """a ≈ b."""
    return Is(contrast, ("equivalent",))


def not_worse(contrast: str) -> Is:
    """a ≽ b."""
    return Is(contrast, ("better", "equivalent", "not worse"))


@dataclass(frozen=True)
class Claim:
    """A statement with the rules by which it is supported or refuted."""

    id: int
    statement: str
    origin: str  # the question or answer in the discussion that it comes from
    comparisons: tuple[Comparison, ...]
    supported: Rule
    refuted: Rule
    premise: Rule | None = None  # what the claim presupposes; without it the verdict is inconclusive
    premise_in_words: str = ""
    decisive: str = (
        ""  # name of the contrast whose effect is shown with the verdict; "": the deciding one with the smallest effect
    )
    descriptive: tuple[Comparison, ...] = ()  # measured and shown, but in no rule
    preset: str = "why-gates"  # the study that runs its arms
    literature: str = ""  # with source and mark: [R] read, [M] from memory
    expects: str = ""  # the verdict that the literature suggests; "": open
    truth: Mapping[str, str] = field(default_factory=dict)  # simulated world -> the correct verdict
