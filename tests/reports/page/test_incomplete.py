"""Networks that are missing from a study are counted and named."""

from typing import Any

import pytest

from reports.page import incomplete
from tests.reports import synthetic_study


def failures(tables: synthetic_study.Synthetic) -> str:
    results = tables.results.assign(diverged=tables.results["diverged"].astype(bool))
    return " ".join(incomplete.failures(results, tables.study))


def test_missing_networks_are_counted_against_the_arms_of_the_study() -> None:
    tables = synthetic_study.study()
    assert "Every network that the study defines is in these tables." in failures(tables)
    gru = tables.results.index[(tables.results["cell"] == "gru") & (tables.results["phase"] == "confirm")]
    rnn = (tables.results["cell"] == "rnn") & (tables.results["task"] == "recall")
    text = failures(tables._replace(results=tables.results.drop(index=gru[:2]).loc[~rnn]))
    assert (
        "8 of 120 tuning networks are missing, failed or not run, in 1 of 15 arms: rnn on recall lag 20 (0 of 8)."
        in text
    )
    assert (
        "8 of 90 confirmation networks are missing, failed or not run, in 2 of 15 arms: "
        "rnn on recall lag 20 (0 of 6) and gru on recall lag 20 (4 of 6)."
    ) in text


FINISHED = "{} of 15 arms (a cell on a task, at a lag and a size) and {} of 210 networks are finished; what is missing is not counted below."


@pytest.mark.parametrize(
    ("lacking", "state", "expected"),
    [
        ("", {}, ""),
        ("", {"failed": [], "queued": 0}, ""),
        ("cell == 'rnn' and task == 'recall'", {}, FINISHED.format(14, 196)),
        ("cell == 'gru' and phase == 'confirm'", {}, FINISHED.format(12, 192)),
        ("phase == 'confirm'", {}, FINISHED.format(0, 120)),
        ("index == 3", {"failed": ["rnn on recall lag 20"]}, FINISHED.format(14, 209) + " 1 arm failed: rnn on recall lag 20."),
        ("", {"queued": 1200}, "1,200 results are trained, but not uploaded to MLflow yet."),
        ("", {"failed": [str(k) for k in range(10)]}, "10 arms failed: 0, 1, 2, 3, 4, 5, 6, 7 and 2 more."),
    ],
)  # fmt: skip
def test_what_the_study_plans_and_the_tables_lack_is_summarised(
    lacking: str, state: dict[str, Any], expected: str
) -> None:
    tables = synthetic_study.study()
    results = tables.results.drop(index=tables.results.query(lacking).index) if lacking else tables.results
    assert incomplete.unfinished(results, tables.study | state) == expected


def test_without_arms_nothing_is_said_to_be_unfinished() -> None:
    assert incomplete.unfinished(synthetic_study.study().results, {}) == ""


def test_beyond_a_number_missing_arms_are_only_counted() -> None:
    tables = synthetic_study.study()
    arms = [arm | {"size": size} for arm in tables.study["arms"] for size in (5000, 9000)]
    text = failures(tables._replace(study=tables.study | {"arms": arms}))
    assert "90 of 180 confirmation networks are missing" in text
    assert "rnn on recall lag 20 at size 9000 (0 of 6)" in text
    assert "and 7 more." in text


@pytest.mark.parametrize("arms", [None, [], [{"cell": "lstm", "task": "recall", "lag": 20}]])
def test_without_arms_missing_networks_cannot_be_listed(arms: list[dict[str, object]] | None) -> None:
    tables = synthetic_study.study({"recall": [20]}, searches=1, trials=1, confirm=2)
    text = failures(tables._replace(study={} if arms is None else tables.study | {"arms": arms}))
    assert "Missing networks cannot be listed" in text
