"""Filters and addresses of runs in MLflow, for any label."""

import pytest

from reports.page.mlflow_links import runs


@pytest.mark.parametrize(
    ("label", "quoted"), [("a'b", 'tags.cell = "a\'b"'), ('a"b', "tags.cell = 'a\"b'"), ("a'b\"c", "")]
)
def test_label_with_quotes_cannot_change_the_filter(label: str, quoted: str) -> None:
    assert runs("", {"cell": label}, {}).filter == quoted


@pytest.mark.parametrize("experiment", ["7/../x", "javascript:", "-1", ""])
def test_only_a_numeric_experiment_has_an_address(experiment: str) -> None:
    assert runs("", {"cell": "lstm"}, {"experiment": experiment}).url == ""
    assert runs("", {"cell": "lstm"}, {"experiment": "7"}).url.startswith("http://127.0.0.1:5000/#/experiments/7/runs?")
