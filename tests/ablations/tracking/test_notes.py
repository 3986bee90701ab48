"""The descriptions of experiments and runs, as Markdown."""

from ablations.tracking import notes
from ablations.tracking.manifest import manifest
from tests.ablations.tracking.member_records import STUDY

LINKS = {"Confirmed networks": "#/experiments/7/runs"}


def test_description_of_an_experiment_is_cut_where_mlflow_would_refuse_it_after_the_question_and_links() -> None:
    found = manifest(STUDY)
    whole = notes.of_experiment(found, LINKS)
    assert whole.startswith(
        "[Confirmed networks](#/experiments/7/runs)\n\nCells: `rnn`, `lstm`. Tasks: `recall`. 2 arms"
    )
    for length in (10, 4000, 20_000, 10**6):
        found["definition"]["description"] = "ü" * length
        text = notes.of_experiment(found, LINKS)
        assert text == (f"{'ü' * length}\n\n{whole}" if length <= 4000 else "ü" * 4999 + "…")


def test_description_of_an_arm_has_the_equations_the_change_and_the_criterion() -> None:
    found = manifest(STUDY)
    text = notes.of_arm(found, "rnn", "recall")
    assert f"```text\n{found['cells']['rnn']['equations']}\n```" in text
    assert found["tasks"]["recall"]["criterion"] in text
    found["cells"]["rnn"] |= {"parent": "lstm", "change": "no gates", "options": {"depth": 2}}
    text = notes.of_arm(found, "rnn", "recall")
    assert "`rnn` is `lstm` with one change: no gates." in text
    assert 'Options: `{"depth": 2}`.' in text


def test_arm_of_a_cell_that_the_study_no_longer_has_has_no_description() -> None:
    assert notes.of_arm(manifest(STUDY), "gone", "gone") == ""


def test_description_of_a_study_has_the_verdicts_on_tested_claims() -> None:
    shared = {"seeds": 20, "preliminary": False}
    verdicts = [
        {"id": 1, "claim": "a | b", "verdict": "refuted", **shared},
        {"id": 2, "claim": "untested", "verdict": "not_tested", **shared},
    ]
    text = notes.of_study(manifest(STUDY), verdicts)
    assert "| 1. a \\| b | refuted | 20 |" in text
    assert "untested" not in text
    assert "Claims that were not tested: 1." in text
    assert "Preliminary" not in text
    assert "Preliminary" in notes.of_study(manifest(STUDY), [verdicts[0] | {"preliminary": True}])
