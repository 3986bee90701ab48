"""Filters and addresses of runs in MLflow, for any label."""

import pytest

from reports.page.mlflow_links import linked_runs


@pytest.mark.parametrize(
    ("label", "quoted"), [("a'b", 'tags.cell = "a\'b"'), ('a"b', "tags.cell = 'a\"b'"), ("a'b\"c", "")]
)
def test_label_with_quotes_cannot_change_the_filter(label: str, quoted: str) -> None:
    assert linked_runs("", {"cell": label}, {}).filter == quoted


@pytest.mark.parametrize("experiment", ["7/../x", "javascript:", "-1", ""])
def test_only_a_numeric_experiment_has_an_address(experiment: str) -> None:
    assert linked_runs("", {"cell": "lstm"}, {"experiment": experiment}).url == ""
    assert linked_runs("", {"cell": "lstm"}, {"experiment": "7"}).url.startswith(
        "http://127.0.0.1:5000/#/experiments/7/runs?"
    )


@pytest.mark.parametrize(
    ("named", "shown"),
    [
        ("http://127.0.0.1:5017", "http://127.0.0.1:5017"),
        ("https://host/mlflow", "https://host/mlflow"),
        ("javascript:alert(1)//", "http://127.0.0.1:5000"),
        ('http://x" onclick=', "http://127.0.0.1:5000"),
    ],
)
def test_address_is_that_of_the_tables_and_nothing_but_an_address(named: str, shown: str) -> None:
    url = linked_runs("", {"cell": "lstm"}, {"experiment": "7", "mlflow": named}).url
    assert url.startswith(f"{shown}/#/experiments/7/runs?")
    assert url.endswith("&orderByKey=metrics.%60score%60&orderByAsc=false&workflowType=machine_learning")
