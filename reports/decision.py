"""From claims and a table to verdicts. Nothing here knows which claims there are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from reports.contrasts import STRATA, Contrast, Estimate, Evidence, Measurement, evidence, measure, outcome
from reports.rules import Claim, Rule
from reports.stats import holm
from reports.words import finding, left_out_of, missing

ERROR = 0.05  # chance of any false verdict in a study, shared equally by its claims
LOOK_ERROR = 0.022  # at looks beyond the first (Pocock 1977); .05 then .022, .022 gives one wrong lead in .037 together
LOOKS = (20, 40, 60)  # confirmation seeds at which a study may be judged


@dataclass(frozen=True)
class Verdict:
    """What the table says about one claim."""

    id: int
    claim: str
    verdict: str  # supported | refuted | inconclusive | not_tested
    effect: float | None  # of the claim's decisive contrast, a − b
    ci_low: float | None  # interval at LEVEL
    ci_high: float | None
    seeds: int  # smallest number of confirmation seeds per (cell, stratum); 0 when nothing was tested
    contrasts: tuple[Contrast, ...]
    how_to_test: str  # the command that runs what is missing; "" when nothing is
    why: str  # the verdict in words with numbers
    preliminary: bool  # fewer than 20 confirmation seeds
    decisive: str = ""  # question of the contrast that the effect is of
    would_change: str = ""  # what would change the verdict, in words with numbers
    literature: str = ""  # "agrees", "differs", "open"; "" where nothing was decided or nothing is known


def decide(results: pd.DataFrame, claims: Sequence[Claim], unmeasured: Mapping[str, str]) -> list[Verdict]:
    """One verdict per claim, in their order.

    The error of .05 is shared equally by the claims (Bonferroni), and by Holm among the contrasts of each.

    :param results: the table as `tables.read` returns it.
    :param unmeasured: groups that no task belongs to yet, and how to say so.
    """
    counted = evidence(results)
    return [_verdict(claim, counted, len(claims), unmeasured) for claim in claims]


@dataclass(frozen=True)
class _Judgement:
    verdict: str
    outcomes: dict[str, str]
    p: dict[str, float]  # adjusted; 1 where nothing could be tested
    alpha: float


def _judge(claim: Claim, measured: Mapping[str, Measurement], seeds: int, claims: int) -> _Judgement:
    """Outcomes of the claim's contrasts, then its rules, in this order: premise, refuted, supported."""
    alpha = (ERROR if seeds <= LOOKS[0] else LOOK_ERROR) / claims
    tested = {name: one.strict.p for name, one in measured.items() if one.strict}
    p = dict.fromkeys(measured, 1.0) | dict(zip(tested, holm(list(tested.values())), strict=True))
    outcomes = {name: outcome(one, p[name], alpha, claim.delta) for name, one in measured.items()}
    premise = True if claim.premise is None else claim.premise.holds(outcomes)
    refuted, supported = claim.refuted.holds(outcomes), claim.supported.holds(outcomes)
    if premise is None:
        verdict = "not_tested"
    elif premise is False:
        verdict = "inconclusive"
    elif refuted:
        verdict = "refuted"
    elif supported:
        verdict = "supported"
    else:
        verdict = "not_tested" if None in (refuted, supported) else "inconclusive"
    return _Judgement(verdict, outcomes, p, alpha)


def _verdict(claim: Claim, counted: Evidence, claims: int, unmeasured: Mapping[str, str]) -> Verdict:
    measured = {compare.name: measure(compare, counted) for compare in claim.compares}
    seeds = min((one.loose.seeds for one in measured.values() if one.loose), default=0)
    judged = _judge(claim, measured, seeds, claims)
    contrasts = {name: _contrast(one, judged.outcomes[name], judged.p[name]) for name, one in measured.items()}
    decisive = None if judged.verdict == "not_tested" else _decisive(claim, contrasts)
    return Verdict(
        id=claim.id,
        claim=claim.statement,
        verdict=judged.verdict,
        effect=decisive.effect if decisive else None,
        ci_low=decisive.ci_low if decisive else None,
        ci_high=decisive.ci_high if decisive else None,
        seeds=seeds,
        contrasts=tuple(contrasts.values()),
        how_to_test=_how_to_test(claim, judged.outcomes, unmeasured) if judged.verdict == "not_tested" else "",
        why=_why(claim, measured, judged, seeds, claims),
        preliminary=0 < seeds < LOOKS[0],
    )


def _contrast(one: Measurement, outcome: str, p: float) -> Contrast:
    """The numbers that the outcome rests on: `strict` for a lead, `loose` for everything else."""
    compare = one.compare
    shown: Estimate | None = one.strict if outcome in ("better", "worse") else one.loose
    return Contrast(
        question=compare.question,
        a=compare.a,
        b=compare.b,
        tasks=tuple(dict.fromkeys(stratum.task for stratum in shown.strata)) if shown else (),
        lags=shown.strata if shown else (),
        effect=shown.effect if shown else None,
        ci_low=shown.low if shown else None,
        ci_high=shown.high if shown else None,
        p=p if one.strict else None,
        seeds=shown.seeds if shown else 0,
        outcome=outcome,
        left_out=left_out_of(one, outcome),
    )


def _decisive(claim: Claim, contrasts: Mapping[str, Contrast]) -> Contrast | None:
    if claim.decisive:
        return contrasts[claim.decisive]
    effects = {name: one.effect for name, one in contrasts.items() if one.effect is not None}
    return contrasts[min(effects, key=effects.__getitem__)] if effects else None


def _how_to_test(claim: Claim, outcomes: Mapping[str, str], unmeasured: Mapping[str, str]) -> str:
    """The command; behind it, where the claim has several contrasts, what is missing and what no command can run."""
    absent = [compare for compare in claim.compares if outcomes[compare.name] == "missing"]
    notes = {
        place.group: unmeasured[place.group]
        for compare in absent
        for place in compare.where + compare.minus
        if place.group in unmeasured
    }
    runnable = [compare.name for compare in absent if not any(place.group in notes for place in compare.where)]
    command = f"whygates sweep {claim.preset} && whygates report {claim.preset}" if runnable else ""
    remarks = [f"missing: {', '.join(runnable)}"] if runnable and len(claim.compares) > 1 else []
    remarks += [f"{group}: {note}" for group, note in notes.items()]
    return "  # ".join(part for part in (command, "; ".join(remarks)) if part)


def _why(claim: Claim, measured: Mapping[str, Measurement], judged: _Judgement, seeds: int, claims: int) -> str:
    """The findings that the verdict rests on; where it is open, what would settle it."""
    said = {
        name: finding(one, judged.outcomes[name], judged.p[name], judged.alpha, claim.delta) + "."
        for name, one in measured.items()
    }
    if judged.verdict == "not_tested":
        absent = [one for name, one in measured.items() if judged.outcomes[name] == "missing"]
        present = [said[name] for name in said if judged.outcomes[name] != "missing"]
        return " ".join([*missing(absent), *present])
    blind = any(one.loose and one.loose.searches == 1 for one in measured.values())
    caveat = "With one search per arm, luck in tuning is not in these intervals." if blind else ""
    premise = _leaves(claim.premise, judged.outcomes, True) if claim.premise else ()
    if judged.verdict in ("supported", "refuted"):
        rule = claim.supported if judged.verdict == "supported" else claim.refuted
        parts = [said[name] for name in premise + _leaves(rule, judged.outcomes, True)]
        return " ".join(part for part in (*parts, caveat) if part)
    if claim.premise and not claim.premise.holds(judged.outcomes):
        blocking = _leaves(claim.premise, judged.outcomes, False)
        opening = (
            f"There is nothing to explain: the claim takes {claim.premise_in_words} for granted, "
            "and these runs do not establish it."
        )
    else:
        blocking, opening = _leaves(claim.supported, judged.outcomes, False), ""
    advice = _advice(claim, [measured[name] for name in blocking], measured, judged, seeds, claims)
    return " ".join(part for part in (opening, *(said[name] for name in blocking), caveat, advice) if part)


def _leaves(rule: Rule, outcomes: Mapping[str, str], held: bool) -> tuple[str, ...]:
    """Names of the contrasts for which the rule's parts hold, or do not."""
    return tuple(leaf.contrast for leaf in rule.leaves() if leaf.holds(outcomes) is held)


def _advice(
    claim: Claim,
    blocking: Sequence[Measurement],
    measured: Mapping[str, Measurement],
    judged: _Judgement,
    seeds: int,
    claims: int,
) -> str:
    """The planned look that the observed difference and spread suggest."""
    if all(judged.outcomes[one.compare.name] == "equivalent" for one in blocking):
        return ""
    if any(one.loose is None or one.loose.depth < STRATA for one in blocking):
        return "More informative lags are needed, not more seeds."
    looks = [look for look in LOOKS if look > seeds]
    for look in looks:
        grown = {name: one.grown(look) for name, one in measured.items()}
        if _judge(claim, grown, look, claims).verdict in ("supported", "refuted"):
            return f"If difference and spread stay as they are, the planned look at {look} seeds would decide it."
    if looks:
        return f"If difference and spread stay as they are, even the planned look at {looks[-1]} seeds would not decide it."
    return "All planned looks are used."
