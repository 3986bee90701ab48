"""Rules over named contrasts, and the claims that consist of them.

A rule has a p value. That of `Every` is the largest of its parts, without a correction (intersection–union test: Berger 1982);
that of `Some` the smallest, times the number of parts (Bonferroni).

A contrast compares a cell a with a cell b. Its outcome is "better" (a ≻ b), "worse" (a ≺ b), "equivalent" (a ≈ b), "not worse" (a ≽ b) or
undecided.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from reports.statistics.comparison import Comparison

P = Mapping[str, Mapping[str, float] | None]
"""The p values of each contrast by outcome; None for a contrast that is missing."""


@dataclass(frozen=True)
class Is:
    """A rule: the named contrast has one of these outcomes. Its p value is None if the contrast is missing."""

    contrast: str
    outcomes: tuple[str, ...]

    def p(self, contrasts: P) -> float | None:
        values = contrasts[self.contrast]
        return None if values is None else min(values[outcome] for outcome in self.outcomes)

    def leaves(self, alternatives: int = 1) -> Iterator[tuple[Is, int]]:
        """Yield the elementary rules, each with the number of alternatives that its p value is multiplied by."""
        yield self, alternatives


@dataclass(frozen=True)
class Every:
    """A rule: all of these hold. It fails if one fails, even if others are missing."""

    rules: tuple[Rule, ...]

    def p(self, contrasts: P) -> float | None:
        values = [rule.p(contrasts) for rule in self.rules]
        known = [value for value in values if value is not None]
        if 1.0 in known:
            return 1.0
        return max(known) if len(known) == len(values) else None

    def leaves(self, alternatives: int = 1) -> Iterator[tuple[Is, int]]:
        for rule in self.rules:
            yield from rule.leaves(alternatives)


@dataclass(frozen=True)
class Some:
    """A rule: at least one of these holds. It holds if one holds, even if others are missing."""

    rules: tuple[Rule, ...]

    def p(self, contrasts: P) -> float | None:
        values = [rule.p(contrasts) for rule in self.rules]
        least = min((value for value in values if value is not None), default=1.0) * len(values)
        return None if least >= 1 and None in values else min(least, 1.0)

    def leaves(self, alternatives: int = 1) -> Iterator[tuple[Is, int]]:
        for rule in self.rules:
            yield from rule.leaves(alternatives * len(self.rules))


Rule = Is | Every | Some


def every(*rules: Rule) -> Every:
    """All of these rules hold."""
    return Every(rules)


def some(*rules: Rule) -> Some:
    """At least one of these rules holds."""
    return Some(rules)


def better(contrast: str) -> Is:
    """The contrast shows a ≻ b."""
    return Is(contrast, ("better",))


def worse(contrast: str) -> Is:
    """The contrast shows a ≺ b."""
    return Is(contrast, ("worse",))


def equivalent(contrast: str) -> Is:
    """The contrast shows a ≈ b."""
    return Is(contrast, ("equivalent",))


def not_worse(contrast: str) -> Is:
    """The contrast shows a ≽ b."""
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
    descriptive: tuple[Comparison, ...] = ()  # measured and shown, but in no rule
    preset: str = "why-gates"  # the study that runs its arms
    literature: str = ""  # with source and mark: [R] read, [M] from memory
    expects: str = ""  # the verdict that the literature suggests; "": open
