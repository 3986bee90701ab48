"""From claims and a table to verdicts. Nothing here knows which claims there are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from reports.claims import findings as words
from reports.claims import thresholds as margins
from reports.claims.rules import Claim, Is, Rule, Some
from reports.statistics.contrasts import STRATA, Contrast, Evidence, Measurement, evidence, measure, outcome
from reports.statistics.estimators import holm

ERROR = 0.05  # chance of any false verdict in a study, shared equally by its claims
LOOK_ERROR = 0.022  # at looks beyond the first (Pocock 1977); .05 then .022, .022 gives one wrong lead in .037 together
OPEN = ("undecided", "not worse")  # outcomes after which a lead may still be found
LOOKS = (20, 40, 60)  # confirmation seeds at which a study may be judged
WANTED = 2  # how many of the contrasts that keep a claim open are spelled out


@dataclass(frozen=True)
class Verdict:
    """What the table says about one claim."""

    id: int
    claim: str
    verdict: str  # supported | refuted | inconclusive | not_tested
    effect: float | None  # of the claim's decisive contrast, on its natural scale
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


def decide(results: pd.DataFrame, claims: Sequence[Claim]) -> list[Verdict]:
    """One verdict per claim, in their order.

    The error of .05 is shared equally by the claims (Bonferroni), and by Holm among the contrasts of each.

    :param results: the table as `tables.read` returns it.
    """
    counted = evidence(results)
    return [_verdict(claim, counted, len(claims)) for claim in claims]


@dataclass(frozen=True)
class _Judgement:
    verdict: str
    outcomes: dict[str, str]
    p: dict[str, float]  # adjusted; 1 where nothing could be tested
    alpha: float


def _alpha(seeds: int, claims: int) -> float:
    return (ERROR if seeds <= LOOKS[0] else LOOK_ERROR) / claims


def _judge(claim: Claim, measured: Mapping[str, Measurement], seeds: int, claims: int) -> _Judgement:
    """Outcomes of the claim's contrasts, then its rules, in this order: premise, refuted, supported."""
    alpha = _alpha(seeds, claims)
    tested = {name: one.strict.p for name, one in measured.items() if one.strict}
    p = dict.fromkeys(measured, 1.0) | dict(zip(tested, holm(list(tested.values())), strict=True))
    outcomes = {name: outcome(one, p[name], alpha) for name, one in measured.items()}
    premise = True if claim.premise is None else claim.premise.holds(outcomes)
    refuted, supported = claim.refuted.holds(outcomes), claim.supported.holds(outcomes)
    if premise is None or (premise is False and _may_come_true(claim, outcomes)):
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


def _may_come_true(claim: Claim, outcomes: Mapping[str, str]) -> bool:
    """Whether arms are missing, and what speaks against the premise is but undecided: running them may settle both."""
    against = _leaves(claim.premise, outcomes, False) if claim.premise else ()
    return "missing" in outcomes.values() and all(outcomes[leaf.contrast] in OPEN for leaf in against)


def _verdict(claim: Claim, counted: Evidence, claims: int) -> Verdict:
    measured = {compare.name: measure(compare, counted) for compare in claim.compares}
    seeds = min((one.loose.seeds for one in measured.values() if one.loose and one.compare.limits.inferred), default=0)
    judged = _judge(claim, measured, seeds, claims)
    contrasts = {name: _contrast(one, judged.outcomes[name], judged.p[name]) for name, one in measured.items()}
    tested = judged.verdict != "not_tested"
    decisive = contrasts.get(_decisive(claim, measured, judged)) if tested else None
    return Verdict(
        id=claim.id,
        claim=claim.statement,
        verdict=judged.verdict,
        effect=decisive.effect if decisive else None,
        ci_low=decisive.ci_low if decisive else None,
        ci_high=decisive.ci_high if decisive else None,
        seeds=seeds,
        contrasts=(*contrasts.values(), *_described(claim, counted, judged.alpha)),
        how_to_test="" if tested else _how_to_test(claim, judged.outcomes),
        why=_why(claim, measured, judged),
        preliminary=0 < seeds < LOOKS[0],
        decisive=decisive.question if decisive else "",
        would_change=_would_change(claim, measured, judged, seeds, claims),
        literature=_literature(claim, judged.verdict),
    )


def _contrast(one: Measurement, outcome: str, p: float) -> Contrast:
    """The numbers that the outcome rests on: `strict` for a lead, `loose` for everything else."""
    compare, shown = one.compare, one.shown(outcome)
    natural = shown.natural if shown else None
    return Contrast(
        question=compare.question,
        a=compare.a,
        b=compare.b,
        tasks=tuple(dict.fromkeys(stratum.task for stratum in shown.strata)) if shown else (),
        lags=shown.strata if shown else (),
        effect=natural.estimate if natural else None,
        ci_low=natural.low if natural else None,
        ci_high=natural.high if natural else None,
        p=p if one.strict else None,
        seeds=shown.seeds if shown else 0,
        outcome=outcome,
        left_out=words.left_out_of(one, outcome),
        measure=compare.measure,
        scale=compare.scale,
        matters=compare.matters,
    )


def _described(claim: Claim, counted: Evidence, alpha: float) -> list[Contrast]:
    """Beside the claim: each by itself, because nothing rests on them; what was not run is not mentioned."""
    found = [measure(compare, counted) for compare in claim.described]
    each = [(one, one.strict.p if one.strict else 1.0) for one in found if not one.missing]
    return [_contrast(one, outcome(one, p, alpha), p) for one, p in each]


def _decisive(claim: Claim, measured: Mapping[str, Measurement], judged: _Judgement) -> str:
    """The declared contrast, else of those that it rests on the least favourable one to its a, in units of what matters."""
    if claim.decisive:
        return claim.decisive
    asked = {leaf.contrast for rule in (claim.supported, claim.refuted) for leaf in rule.leaves()}
    resting = asked.intersection(_resting(claim, judged)) or asked
    found = {name: one.loose for name, one in measured.items() if name in resting and one.loose}
    effects = {name: one.effect / measured[name].compare.limits.lead for name, one in found.items()}
    return min(effects, key=effects.__getitem__, default="")


def _literature(claim: Claim, verdict: str) -> str:
    if verdict not in ("supported", "refuted"):
        return ""
    return "open" if not claim.expects else "agrees" if verdict == claim.expects else "differs"


def _how_to_test(claim: Claim, outcomes: Mapping[str, str]) -> str:
    """The command; behind it, where the claim has several contrasts, what is missing."""
    absent = [compare.name for compare in claim.compares if outcomes[compare.name] == "missing"]
    command = f"whygates sweep {claim.preset} && whygates report {claim.preset}"
    return command + (f"  # missing: {'; '.join(absent)}" if len(claim.compares) > 1 else "")


def _why(claim: Claim, measured: Mapping[str, Measurement], judged: _Judgement) -> str:
    """The findings that the verdict rests on."""
    said = {
        name: words.finding(one, judged.outcomes[name], judged.p[name], judged.alpha) + "."
        for name, one in measured.items()
    }
    if judged.verdict == "not_tested":
        absent = [one for name, one in measured.items() if judged.outcomes[name] == "missing"]
        present = [said[name] for name in said if judged.outcomes[name] != "missing"]
        return " ".join([*words.missing(absent), *present])
    blind = any(one.loose and one.loose.searches == 1 for one in measured.values())
    caveat = "With one search per arm, luck in tuning is not in these intervals." if blind else ""
    opening, parts = "", _resting(claim, judged)
    if judged.verdict == "inconclusive" and not _premise(claim, judged):
        settled = any(judged.outcomes[name] not in OPEN for name in parts)
        opening = (
            f"{'There is nothing to explain: these runs' if settled else 'These runs'} do not establish what the claim takes "
            f"for granted, {claim.premise_in_words}."
        )
    return " ".join(part for part in (opening, *(said[name] for name in parts), caveat) if part)


def _premise(claim: Claim, judged: _Judgement) -> bool:
    return claim.premise is None or bool(claim.premise.holds(judged.outcomes))


def _resting(claim: Claim, judged: _Judgement) -> tuple[str, ...]:
    """Names of the contrasts that the verdict rests on; of an open one, those that keep it open."""
    if judged.verdict in ("supported", "refuted"):
        rule = claim.supported if judged.verdict == "supported" else claim.refuted
        premise = _leaves(claim.premise, judged.outcomes, True) if claim.premise else []
        parts = [*premise, *_leaves(rule, judged.outcomes, True)]
    elif not _premise(claim, judged) and claim.premise:
        parts = _leaves(claim.premise, judged.outcomes, False)
    else:
        parts = _leaves(claim.supported, judged.outcomes, False)
    return tuple(dict.fromkeys(leaf.contrast for leaf in parts))


def _leaves(rule: Rule, outcomes: Mapping[str, str], held: bool) -> list[Is]:
    """The rule's parts that hold, or that do not."""
    return [leaf for leaf in rule.leaves() if leaf.holds(outcomes) is held]


def _would_change(
    claim: Claim, measured: Mapping[str, Measurement], judged: _Judgement, seeds: int, claims: int
) -> str:
    """Of a decided claim, what it rests on and how far that is from the limit; of an open one, what is wanting."""
    if judged.verdict == "not_tested":
        absent = [one.compare.question for name, one in measured.items() if judged.outcomes[name] == "missing"]
        more = [f"{len(absent) - WANTED} more"] if len(absent) > WANTED else []
        return f"Runs of its missing arms: {'; '.join(absent[:WANTED] + more)}."
    if judged.verdict in ("supported", "refuted"):
        rule = claim.supported if judged.verdict == "supported" else claim.refuted
        names = dict.fromkeys(leaf.contrast for leaf in _leaves(rule, judged.outcomes, True))
        slack = {name: margins.slack(measured[name], judged.outcomes[name]) for name in names}
        last, lead = (max, "The strongest: ") if isinstance(rule, Some) else (min, "The closest call: ")
        name = last(slack, key=slack.__getitem__)
        return (lead if len(slack) > 1 else "") + margins.would_open(measured[name], judged.outcomes[name])
    wanted = claim.premise if claim.premise and not _premise(claim, judged) else claim.supported
    leaves = _leaves(wanted, judged.outcomes, False)
    wants = [margins.wanting(measured[leaf.contrast], leaf.outcomes, judged.alpha) for leaf in leaves]
    wants = wants[:WANTED] + ([f"And {len(wants) - WANTED} more."] if len(wants) > WANTED else [])
    advice = _advice(claim, [measured[leaf.contrast] for leaf in leaves], measured, judged, seeds, claims)
    return " ".join(part for part in (*wants, advice) if part)


def _advice(
    claim: Claim,
    blocking: Sequence[Measurement],
    measured: Mapping[str, Measurement],
    judged: _Judgement,
    seeds: int,
    claims: int,
) -> str:
    """The planned look that the observed difference and spread suggest.

    Seeds come with searches of their own: more seeds of the same searches do not make the luck of a search smaller.
    """
    if any(not one.compare.limits.inferred for one in blocking):
        return "More seeds do not help: the arms have to be made again."
    if blocking and all(judged.outcomes[one.compare.name] == "equivalent" for one in blocking):
        return "The cells tie there, so more seeds are not expected to change it."
    if any(one.loose is None or one.loose.depth < STRATA for one in blocking):
        return "More informative lags are needed, not more seeds."
    looks = [look for look in LOOKS if look > seeds]
    searches = min((one.loose.searches for one in measured.values() if one.loose), default=1)

    def named(look: int) -> str:
        return f"the planned look at {look} seeds" + (
            f" from {-(-searches * look // seeds)} searches" if searches > 1 else ""
        )

    for look in looks:
        grown = {name: one.grown(look) for name, one in measured.items()}
        if _judge(claim, grown, look, claims).verdict in ("supported", "refuted"):
            return f"If difference and spread stay as they are, {named(look)} would decide it."
    if looks:
        return f"If difference and spread stay as they are, even {named(looks[-1])} would not decide it."
    return "All planned looks are used."
