"""The verdicts on claims: rules applied to the outcomes of contrasts, with error control and reasons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from reports.claims import findings, thresholds
from reports.claims.rules import Claim, Is, Rule, Some
from reports.statistics.contrasts import MIN_LAGS, Contrast, Evidence, Measurement, evidence, measure, outcome
from reports.statistics.estimators import holm

ERROR = 0.05  # probability of any false verdict in a study, shared equally by its claims
LOOK_ERROR = 0.022  # the same at later looks (Pocock 1977); three looks at .05, .022, .022 give a false lead with .037
OPEN = ("undecided", "not worse")  # outcomes that more seeds may turn into a lead
ENOUGH_SEEDS = (
    20  # confirmation seeds per (cell, stratum) of the first planned look; with fewer, a verdict is preliminary
)
LOOKS = (ENOUGH_SEEDS, 40, 60)  # planned looks: numbers of seeds at which a study may be judged
MAX_LISTED = 2  # contrasts that a sentence about a verdict spells out


@dataclass(frozen=True)
class Verdict:
    """The verdict on one claim, with its effect and reasons."""

    id: int
    claim: str
    verdict: str  # supported | refuted | inconclusive | not_tested
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


def decide(results: pd.DataFrame, claims: Sequence[Claim]) -> list[Verdict]:
    """Return one verdict per claim, in their order.

    The error of .05 is shared equally by the claims (Bonferroni); the p values of a claim's contrasts are adjusted by Holm's method.

    :param results: the table as `tables.read` returns it.
    """
    arms = evidence(results)
    return [_verdict(claim, arms, len(claims)) for claim in claims]


@dataclass(frozen=True)
class _Judgement:
    verdict: str
    outcomes: dict[str, str]  # by name of the contrast
    p: dict[str, float]  # adjusted; 1 where nothing could be tested
    alpha: float


def _alpha(seeds: int, claims: int) -> float:
    return (ERROR if seeds <= ENOUGH_SEEDS else LOOK_ERROR) / claims


def _judge(claim: Claim, measurements: Mapping[str, Measurement], seeds: int, claims: int) -> _Judgement:
    """Determine the outcomes of the claim's contrasts, then apply its rules in the order premise, refuted, supported."""
    alpha = _alpha(seeds, claims)
    raw = {name: one.without_ceiling.p for name, one in measurements.items() if one.without_ceiling}
    p = dict.fromkeys(measurements, 1.0) | dict(zip(raw, holm(list(raw.values())), strict=True))
    outcomes = {name: outcome(one, p[name], alpha) for name, one in measurements.items()}
    premise = True if claim.premise is None else claim.premise.holds(outcomes)
    refuted, supported = claim.refuted.holds(outcomes), claim.supported.holds(outcomes)
    if premise is None or (premise is False and _premise_may_still_hold(claim, outcomes)):
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


def _premise_may_still_hold(claim: Claim, outcomes: Mapping[str, str]) -> bool:
    """Return whether arms are missing and the failing parts of the premise are undecided: more runs may settle both."""
    failing = _leaves(claim.premise, outcomes, False) if claim.premise else ()
    return "missing" in outcomes.values() and all(outcomes[leaf.contrast] in OPEN for leaf in failing)


def _verdict(claim: Claim, arms: Evidence, claims: int) -> Verdict:
    measurements = {comparison.name: measure(comparison, arms) for comparison in claim.comparisons}
    seeds = min(
        (
            one.with_ceiling.seeds
            for one in measurements.values()
            if one.with_ceiling and one.comparison.margins.inferential
        ),
        default=0,
    )
    judged = _judge(claim, measurements, seeds, claims)
    contrasts = {name: _contrast(one, judged.outcomes[name], judged.p[name]) for name, one in measurements.items()}
    tested = judged.verdict != "not_tested"
    decisive = contrasts.get(_decisive(claim, measurements, judged)) if tested else None
    return Verdict(
        id=claim.id,
        claim=claim.statement,
        verdict=judged.verdict,
        effect=decisive.effect if decisive else None,
        ci_low=decisive.ci_low if decisive else None,
        ci_high=decisive.ci_high if decisive else None,
        seeds=seeds,
        contrasts=(*contrasts.values(), *_descriptive(claim, arms, judged.alpha)),
        how_to_test="" if tested else _how_to_test(claim, judged.outcomes),
        why=_why(claim, measurements, judged),
        preliminary=0 < seeds < ENOUGH_SEEDS,
        decisive=decisive.question if decisive else "",
        would_change=_would_change(claim, measurements, judged, seeds, claims),
        literature=_literature(claim, judged.verdict),
    )


def _contrast(measurement: Measurement, outcome: str, p: float) -> Contrast:
    """Return the contrast with the numbers of the estimate that the outcome is based on."""
    comparison, estimate = measurement.comparison, measurement.estimate_for(outcome)
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
        p=p if measurement.without_ceiling else None,
        seeds=estimate.seeds if estimate else 0,
        outcome=outcome,
        left_out=findings.left_out_of(measurement, outcome),
        measure=comparison.measure,
        scale=comparison.scale,
        matters=comparison.smallest_effect_of_interest,
    )


def _descriptive(claim: Claim, arms: Evidence, alpha: float) -> list[Contrast]:
    """Return the descriptive contrasts that were run; in no rule, so their p values are not adjusted."""
    measurements = [measure(comparison, arms) for comparison in claim.descriptive]
    p_values = [(one, one.without_ceiling.p if one.without_ceiling else 1.0) for one in measurements if not one.missing]
    return [_contrast(one, outcome(one, p, alpha), p) for one, p in p_values]


def _decisive(claim: Claim, measurements: Mapping[str, Measurement], judged: _Judgement) -> str:
    """Return the name of the declared contrast, else of the deciding one with the smallest effect in units of its margin."""
    if claim.decisive:
        return claim.decisive
    in_rules = {leaf.contrast for rule in (claim.supported, claim.refuted) for leaf in rule.leaves()}
    deciding = in_rules.intersection(_deciding(claim, judged)) or in_rules
    effects = {
        name: one.with_ceiling.effect / one.comparison.margins.superiority
        for name, one in measurements.items()
        if name in deciding and one.with_ceiling
    }
    return min(effects, key=effects.__getitem__, default="")


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


def _why(claim: Claim, measurements: Mapping[str, Measurement], judged: _Judgement) -> str:
    """Return the findings that the verdict is based on."""
    sentences = {
        name: findings.finding(one, judged.outcomes[name], judged.p[name], judged.alpha) + "."
        for name, one in measurements.items()
    }
    if judged.verdict == "not_tested":
        missing = [one for name, one in measurements.items() if judged.outcomes[name] == "missing"]
        present = [sentence for name, sentence in sentences.items() if judged.outcomes[name] != "missing"]
        return " ".join([*findings.missing(missing), *present])
    one_search = any(one.with_ceiling and one.with_ceiling.searches == 1 for one in measurements.values())
    caveat = "With one search per arm, the intervals exclude the variance between searches." if one_search else ""
    opening, deciding = "", _deciding(claim, judged)
    if judged.verdict == "inconclusive" and not _premise_holds(claim, judged):
        settled = any(judged.outcomes[name] not in OPEN for name in deciding)
        relation = "contradict" if settled else "do not establish"
        opening = f"These runs {relation} the premise of the claim, {claim.premise_in_words}."
    return " ".join(part for part in (opening, *(sentences[name] for name in deciding), caveat) if part)


def _premise_holds(claim: Claim, judged: _Judgement) -> bool:
    return claim.premise is None or bool(claim.premise.holds(judged.outcomes))


def _deciding(claim: Claim, judged: _Judgement) -> tuple[str, ...]:
    """Return the names of the contrasts that the verdict is based on; if inconclusive, of those that prevent a decision."""
    if judged.verdict in ("supported", "refuted"):
        rule = claim.supported if judged.verdict == "supported" else claim.refuted
        premise = _leaves(claim.premise, judged.outcomes, True) if claim.premise else []
        leaves = [*premise, *_leaves(rule, judged.outcomes, True)]
    elif not _premise_holds(claim, judged) and claim.premise:
        leaves = _leaves(claim.premise, judged.outcomes, False)
    else:
        leaves = _leaves(claim.supported, judged.outcomes, False)
    return tuple(dict.fromkeys(leaf.contrast for leaf in leaves))


def _leaves(rule: Rule, outcomes: Mapping[str, str], holding: bool) -> list[Is]:
    """Return the elementary rules that hold, or those that do not."""
    return [leaf for leaf in rule.leaves() if leaf.holds(outcomes) is holding]


def _would_change(
    claim: Claim, measurements: Mapping[str, Measurement], judged: _Judgement, seeds: int, claims: int
) -> str:
    """Return what would make a decided claim inconclusive, or what an undecided one requires."""
    if judged.verdict == "not_tested":
        missing = [one.comparison.question for name, one in measurements.items() if judged.outcomes[name] == "missing"]
        more = [f"{len(missing) - MAX_LISTED} more"] if len(missing) > MAX_LISTED else []
        return f"Runs of the missing arms: {'; '.join(missing[:MAX_LISTED] + more)}."
    if judged.verdict in ("supported", "refuted"):
        rule = claim.supported if judged.verdict == "supported" else claim.refuted
        names = dict.fromkeys(leaf.contrast for leaf in _leaves(rule, judged.outcomes, True))
        distances = {name: thresholds.distance(measurements[name], judged.outcomes[name]) for name in names}
        # The last to fail settles a rule that needs one contrast, the first to fail a rule that needs all.
        select, label = (max, "strongest") if isinstance(rule, Some) else (min, "weakest")
        name = select(distances, key=distances.__getitem__)
        opening = f"The {label} of {len(distances)} contrasts: " if len(distances) > 1 else ""
        return opening + thresholds.inconclusive_if(measurements[name], judged.outcomes[name])
    rule = claim.premise if claim.premise and not _premise_holds(claim, judged) else claim.supported
    leaves = _leaves(rule, judged.outcomes, False)
    required = [
        thresholds.requirement(measurements[leaf.contrast], leaf.outcomes, judged.alpha) for leaf in leaves[:MAX_LISTED]
    ]
    more = [f"Required in addition: {len(leaves) - MAX_LISTED} more."] if len(leaves) > MAX_LISTED else []
    blocking = [measurements[leaf.contrast] for leaf in leaves]
    advice = _advice(claim, blocking, measurements, judged, seeds, claims)
    return " ".join(part for part in (*required, *more, advice) if part)


def _advice(
    claim: Claim,
    blocking: Sequence[Measurement],
    measurements: Mapping[str, Measurement],
    judged: _Judgement,
    seeds: int,
    claims: int,
) -> str:
    """Return the next step for an inconclusive claim: as a rule the planned look that its effects and variances project.

    More seeds come with more searches, because seeds of the same searches do not reduce the variance between searches.
    """
    if any(not one.comparison.margins.inferential for one in blocking):
        return "More seeds do not help: the manipulation check failed, so its arms have to be set up again."
    if blocking and all(judged.outcomes[one.comparison.name] == "equivalent" for one in blocking):
        return "These contrasts are ties, so more seeds are not expected to change the verdict."
    if any(one.with_ceiling is None or one.with_ceiling.n_lags < MIN_LAGS for one in blocking):
        return "More informative lags are needed, not more seeds."
    looks = [look for look in LOOKS if look > seeds]
    searches = min((one.with_ceiling.searches for one in measurements.values() if one.with_ceiling), default=1)

    def named(look: int) -> str:
        from_searches = f" from {-(-searches * look // seeds)} searches" if searches > 1 else ""
        return f"the planned look at {look} seeds{from_searches}"

    for look in looks:
        projected = {name: one.projected(look) for name, one in measurements.items()}
        if _judge(claim, projected, look, claims).verdict in ("supported", "refuted"):
            return f"If effects and variances stay the same, {named(look)} would decide the claim."
    if looks:
        return f"If effects and variances stay the same, even {named(looks[-1])} would not decide the claim."
    return "All planned looks are used."
