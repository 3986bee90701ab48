"""`whygates sweep --only`: the arms of a study that some claims need, or that have some cells, tasks, lags or sizes."""

from collections.abc import Callable, Sequence

from ablations.errors import InputError, lookup
from ablations.studies.study import Arm, Study
from reports.claims import CLAIMS, Claim
from reports.statistics.comparison import Term


def select(study: Study, only: Sequence[str]) -> list[Arm]:
    """The arms of a study that match every `KEY:VALUE,VALUE`, with any of its values.

    :raises InputError: for a key or a value that does not exist, or if no arm matches.
    """
    arms = study.arms()
    smallest = min((arm.size for arm in arms), default=0)
    known: dict[str, Callable[[Arm], set[str]]] = {
        "claim": lambda arm: _claims_of(arm, smallest),
        "cell": lambda arm: {arm.cell.label},
        "task": lambda arm: {arm.task.label},
        "lag": lambda arm: {str(arm.lag)},
        "size": lambda arm: {str(arm.size)},
    }
    for condition in only:
        key, _, values = condition.partition(":")
        if not values:
            raise InputError(f"--only {condition}: write KEY:VALUE or KEY:VALUE,VALUE, for example claim:1,4")
        values_of = lookup(f"key of --only {condition}:", key.strip(), known)
        wanted = {value.strip() for value in values.split(",")}
        existing = (
            {str(claim.id) for claim in CLAIMS} if key.strip() == "claim" else set[str]().union(*map(values_of, arms))
        )
        for value in sorted(wanted):
            lookup(
                f"{key.strip()} of --only {condition}:",
                value,
                dict.fromkeys(sorted(existing, key=lambda text: (int(text) if text.isdigit() else 0, text))),
            )
        arms = [arm for arm in arms if values_of(arm) & wanted]
    if not arms:
        raise InputError(f"--only {' --only '.join(only)}: no arm of {study.name} matches")
    return arms


def _claims_of(arm: Arm, smallest: int) -> set[str]:
    return {str(claim.id) for claim in CLAIMS if _needs(claim, arm, smallest)}


def _needs(claim: Claim, arm: Arm, smallest: int) -> bool:
    """Whether a comparison of the claim uses this arm; descriptive comparisons count too."""
    return any(
        term.cell == arm.cell.label
        and arm.task.label == place.task + term.option
        and place.min_lag <= arm.lag <= place.max_lag
        and arm.size == smallest * (term.size_factor or 1)
        for comparison in (*claim.comparisons, *claim.descriptive)
        for place in (*comparison.where, *comparison.minus)
        for term in (*comparison.contrast_terms, *comparison.denominator, Term(0, comparison.rival))
    )
