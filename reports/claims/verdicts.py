"""Verdicts on claims, from the p values of their rules, with error control and reasons."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import pandas as pd

from reports.claims import findings, thresholds
from reports.claims.rules import Claim, Every, Is, Rule, Some
from reports.statistics.contrasts import MIN_LAGS, Contrast, Evidence, Measurement, evidence, measure, outcome, p_values
from reports.statistics.estimators import holm

ERROR = 0.05  # probability of any false verdict in a study, controlled over its claims by Holm's method
OPEN = ("undecided", "not worse", "saturated")  # outcomes that more seeds or longer lags may turn into a lead
ENOUGH_SEEDS = 20  # confirmation seeds per (cell, stratum) of the planned design; with fewer, a verdict is preliminary
MAX_LISTED = 2  # contrasts that a sentence about a verdict spells out


@dataclass(frozen=True)
class Verdict:
    """The verdict on one claim, with its effect and reasons."""

    id: int
    claim: str
    verdict: str  # supported | refuted | inconclusive | not_tested
    p: float | None  # of the verdict, adjusted for the number of claims; None when not tested
    effect: float | None  # of the claim's decisive contrast, on its natural scale
    ci_low: float | None  # interval at LEVEL
    ci_high: float | None
    seeds: int  # smallest number of confirmation seeds per (cell, stratum); 0 when nothing was tested
    contrasts: tuple[Contrast, ...]
    how_to_test: str  # the command that runs the missing arms; "" when none is missing
    why: str  # the reasons as sentences
    preliminary: bool  # fewer than ENOUGH_SEEDS seeds
    decisive: str = ""  # question of the contrast that `effect` is taken from
    would_change: str = ""  # what would change the verdict, as sentences
    literature: str = ""  # "agrees", "differs", "open"; "" for an undecided claim


class _Test(NamedTuple):
    """A claim with the estimates of its comparisons and the p values of its two rules."""

    claim: Claim
    measurements: dict[str, Measurement]
    p: dict[str, dict[str, float] | None]  # by contrast and outcome; None where arms are missing
    supported: float | None  # None where missing arms leave it open
    refuted: float | None

    @property
    def least(self) -> float:
        return min((p for p in (self.supported, self.refuted) if p is not None), default=1.0)

    @property
    def tested(self) -> bool:
        """Whether the arms are there to decide the claim, one way at least."""
        return None not in (self.supported, self.refuted) or self.least < 1


@dataclass(frozen=True)
class _Judgement:
    verdict: str
    outcomes: dict[str, str]  # by name of the contrast
    p: Mapping[str, Mapping[str, float] | None]
    adjusted: float | None
    alpha: float  # level that the claim was tested at

    def holds(self, leaf: Is, alternatives: int) -> bool | None:
        """Return whether an elementary rule holds; None if its contrast is missing."""
        p = leaf.p(self.p)
        return None if p is None else alternatives * p <= self.alpha


def decide(results: pd.DataFrame, claims: Sequence[Claim]) -> list[Verdict]:
    """Return one verdict per claim, in their order.

    The probability of a false verdict is controlled at .05 over all claims that are tested (Holm 1979).

    :param results: the table as `tables.read` returns it.
    """
    arms = evidence(results)
    tests = [_test(claim, arms) for claim in claims]
    return [_verdict(test, judged, arms) for test, judged in zip(tests, _judge(tests), strict=True)]


def _test(claim: Claim, arms: Evidence) -> _Test:
    measurements = {comparison.name: measure(comparison, arms) for comparison in claim.comparisons}
    p = {name: None if one.missing else p_values(one) for name, one in measurements.items()}
    premise = [claim.premise] if claim.premise else []
    supported, refuted = (Every((*premise, rule)).p(p) for rule in (claim.supported, claim.refuted))
    return _Test(claim, measurements, p, supported, refuted)


def _judge(tests: Sequence[_Test]) -> list[_Judgement]:
    """Decide the claims in the order of their p values, each at .05 over the number of those that are left, until one fails."""
    tested = sorted((k for k, test in enumerate(tests) if test.tested), key=lambda k: tests[k].least)
    adjusted = dict(zip(tested, holm([tests[k].least for k in tested]), strict=True))
    decided = [k for k in tested if adjusted[k] <= ERROR]
    judged = []
    for k, test in enumerate(tests):
        # An undecided claim was tested at the level of the first that failed.
        rank = decided.index(k) if k in decided else len(decided)
        alpha = ERROR / max(len(tested) - rank, 1)
        outcomes = {name: outcome(one, alpha) for name, one in test.measurements.items()}
        one_missing = None in (test.supported, test.refuted)
        if k in decided:
            verdict = "refuted" if test.refuted == test.least else "supported"
        elif one_missing and not _premise_fails(test, alpha):
            verdict = "not_tested"
        else:
            verdict = "inconclusive"
        judged.append(_Judgement(verdict, outcomes, test.p, adjusted.get(k), alpha))
    return judged


def _premise_fails(test: _Test, alpha: float) -> bool:
    """Return whether a part of the premise is decided and not met, so that running the missing arms cannot change it."""
    leaves = [leaf for leaf, _ in test.claim.premise.leaves()] if test.claim.premise else []
    outcomes = [outcome(test.measurements[leaf.contrast], alpha) for leaf in leaves]
    failed = zip(leaves, outcomes, strict=True)
    return any(found not in (*OPEN, "missing", *leaf.outcomes) for leaf, found in failed)


def _verdict(test: _Test, judged: _Judgement, arms: Evidence) -> Verdict:
    claim, measurements = test.claim, test.measurements
    inferential = [one for one in measurements.values() if one.comparison.margins.inferential]
    seeds = min((one.estimate.seeds for one in inferential if one.estimate), default=0)
    contrasts = {name: _contrast(one, judged.outcomes[name]) for name, one in measurements.items()}
    tested = judged.verdict != "not_tested"
    decisive = contrasts.get(_decisive(test, judged)) if tested else None
    return Verdict(
        id=claim.id,
        claim=claim.statement,
        verdict=judged.verdict,
        p=judged.adjusted if tested else None,
        effect=decisive.effect if decisive else None,
        ci_low=decisive.ci_low if decisive else None,
        ci_high=decisive.ci_high if decisive else None,
        seeds=seeds,
        contrasts=(*contrasts.values(), *_descriptive(claim, arms, judged.alpha)),
        how_to_test="" if tested else _how_to_test(claim, judged.outcomes),
        why=_why(test, judged),
        preliminary=0 < seeds < ENOUGH_SEEDS,
        decisive=decisive.question if decisive else "",
        would_change=_would_change(test, judged),
        literature=_literature(claim, judged.verdict),
    )


def _contrast(measurement: Measurement, outcome: str) -> Contrast:
    """Return the contrast with the numbers of its estimate."""
    comparison, estimate = measurement.comparison, measurement.estimate
    natural = estimate.natural if estimate else None
    return Contrast(
        question=comparison.question,
        a=comparison.a,
        b=comparison.b,
        tasks=tuple(dict.fromkeys(stratum.task for stratum in estimate.strata)) if estimate else (),
        lags=estimate.strata if estimate else (),
        effect=natural.estimate if natural else None,
        ci_low=natural.low if natural else None,
        ci_high=natural.high if natural else None,
        p=estimate.p if estimate else None,
        seeds=estimate.seeds if estimate else 0,
        outcome=outcome,
        left_out=measurement.excluded,
        measure=comparison.measure,
        scale=comparison.scale,
        matters=comparison.smallest_effect_of_interest,
    )


def _descriptive(claim: Claim, arms: Evidence, alpha: float) -> list[Contrast]:
    """Return the descriptive contrasts that were run."""
    measurements = [measure(comparison, arms) for comparison in claim.descriptive]
    return [_contrast(one, outcome(one, alpha)) for one in measurements if not one.missing]


def _decisive(test: _Test, judged: _Judgement) -> str:
    """Return the name of the deciding contrast that is nearest to another outcome: the weakest one of a verdict."""
    claim = test.claim
    in_rules = {leaf.contrast for rule in (claim.supported, claim.refuted) for leaf, _ in rule.leaves()}
    deciding = in_rules.intersection(_deciding(claim, judged)) or in_rules
    distances = {
        name: thresholds.distance(one, judged.outcomes[name])
        for name, one in test.measurements.items()
        if name in deciding and one.estimate
    }
    return min(distances, key=distances.__getitem__, default="")


def _literature(claim: Claim, verdict: str) -> str:
    """Return whether a decided verdict "agrees" with or "differs" from the literature, or the literature is "open"."""
    if verdict not in ("supported", "refuted"):
        return ""
    return "open" if not claim.expects else "agrees" if verdict == claim.expects else "differs"


def _how_to_test(claim: Claim, outcomes: Mapping[str, str]) -> str:
    """Return the command; if the claim has several contrasts, with the missing ones in a comment."""
    names = [comparison.name for comparison in claim.comparisons if outcomes[comparison.name] == "missing"]
    command = f"whygates sweep {claim.preset} && whygates report {claim.preset}"
    return command + (f"  # missing: {'; '.join(names)}" if len(claim.comparisons) > 1 else "")


def _why(test: _Test, judged: _Judgement) -> str:
    """Return the findings that the verdict is based on."""
    claim, measurements = test.claim, test.measurements
    if judged.verdict == "not_tested":
        missing = [one for name, one in measurements.items() if judged.outcomes[name] == "missing"]
        present = {name: one for name, one in measurements.items() if judged.outcomes[name] != "missing"}
        return " ".join([*findings.missing(missing), *findings.findings(present, judged.outcomes, judged.alpha)])
    one_search = any(one.estimate and one.estimate.searches == 1 for one in measurements.values())
    caveat = "With one search per arm, the intervals exclude the variance between searches." if one_search else ""
    opening, deciding = "", _deciding(claim, judged)
    if judged.verdict == "inconclusive" and not _premise_holds(claim, judged):
        settled = any(judged.outcomes[name] not in OPEN for name in deciding)
        relation = "contradict" if settled else "do not establish"
        opening = f"These runs {relation} the premise of the claim, {claim.premise_in_words}."
    reasons = findings.findings({name: measurements[name] for name in deciding}, judged.outcomes, judged.alpha)
    return " ".join(part for part in (opening, *reasons, caveat) if part)


def _premise_holds(claim: Claim, judged: _Judgement) -> bool:
    p = 0.0 if claim.premise is None else claim.premise.p(judged.p)
    return p is not None and p <= judged.alpha


def _deciding(claim: Claim, judged: _Judgement) -> tuple[str, ...]:
    """Return the names of the contrasts that the verdict is based on; if inconclusive, of those that prevent a decision."""
    return tuple(dict.fromkeys(leaf.contrast for leaf in _leaves(claim, judged)))


def _leaves(claim: Claim, judged: _Judgement) -> list[Is]:
    """Return the elementary rules that a decision is based on, or those that prevent one."""
    if judged.verdict in ("supported", "refuted"):
        rule = claim.supported if judged.verdict == "supported" else claim.refuted
        premise = _holding(claim.premise, judged) if claim.premise else ()
        return [*_holding(rule, judged), *premise]
    rule = claim.premise if claim.premise and not _premise_holds(claim, judged) else claim.supported
    return [leaf for leaf, alternatives in rule.leaves() if judged.holds(leaf, alternatives) is False]


def _holding(rule: Rule, judged: _Judgement) -> Iterator[Is]:
    """Yield the elementary rules that make a rule hold: of alternatives, those of the one with the smallest p value."""
    match rule:
        case Is():
            yield rule
        case Every(rules):
            for part in rules:
                yield from _holding(part, judged)
        case Some(rules):
            known = [part for part in rules if part.p(judged.p) is not None]
            yield from _holding(min(known, key=lambda part: part.p(judged.p) or 0.0), judged)


def _would_change(test: _Test, judged: _Judgement) -> str:
    """Return what would make a decided claim inconclusive, or what an undecided one requires."""
    measurements = test.measurements
    if judged.verdict == "not_tested":
        missing = [one.comparison.question for name, one in measurements.items() if judged.outcomes[name] == "missing"]
        more = [f"{len(missing) - MAX_LISTED} more"] if len(missing) > MAX_LISTED else []
        return f"Runs of the missing arms: {'; '.join(missing[:MAX_LISTED] + more)}."
    leaves = _leaves(test.claim, judged)
    if judged.verdict in ("supported", "refuted"):
        names = dict.fromkeys(leaf.contrast for leaf in leaves)
        described = {
            name: text
            for name in names
            if (text := thresholds.inconclusive_if(measurements[name], judged.outcomes[name]))
        }
        if not described:
            return ""
        name = min(described, key=lambda name: thresholds.distance(measurements[name], judged.outcomes[name]))
        return (f"The weakest of {len(names)} contrasts: " if len(names) > 1 else "") + described[name]
    required = [
        thresholds.requirement(measurements[leaf.contrast], leaf.outcomes, judged.alpha) for leaf in leaves[:MAX_LISTED]
    ]
    more = [f"Required in addition: {len(leaves) - MAX_LISTED} more."] if len(leaves) > MAX_LISTED else []
    advice = _next_step([measurements[leaf.contrast] for leaf in leaves], judged)
    return " ".join(part for part in (*required, *more, advice) if part)


def _next_step(undecided: Sequence[Measurement], judged: _Judgement) -> str:
    """Return what to do about an inconclusive claim, from the contrasts that do not have the required outcomes."""
    outcomes = [judged.outcomes[one.comparison.name] for one in undecided]
    if any(not one.comparison.margins.inferential for one in undecided):
        return "More seeds do not help: the manipulation check failed, so its arms have to be set up again."
    if "equivalent" in outcomes:
        return "A tie is not expected to become a lead with more seeds, so they are not expected to change the verdict."
    if "saturated" in outcomes:
        instead = "not more seeds" if {*outcomes} == {"saturated"} else "before more seeds help"
        return f"Longer lags are needed, at which the reference fails, {instead}."
    if any(one.estimate is None or one.n_lags < MIN_LAGS for one in undecided):
        return "More lags are needed, not more seeds."
    return "A new study with more searches and another seed may decide it; more seeds of the same searches do not help much."
