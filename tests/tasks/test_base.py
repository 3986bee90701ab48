"""The registry, the means over steps that count, and the drawing of waiting times."""

import importlib
import math
import sys
import textwrap
import types

import pytest
import torch
from torch import Generator

import tasks
from ablations.contract.tasks import CHECKS, docstring_is_complete
from tasks import Task, base, catalogue


@pytest.fixture
def registry(monkeypatch):
    """A copy of the registry, so that a test's own tasks are forgotten."""
    catalogue()  # import the modules of the built-in tasks first: they register themselves once per process
    copy = dict(base.registry)
    monkeypatch.setattr(base, "registry", copy)
    monkeypatch.setattr(tasks, "registry", copy)
    return copy


def test_example_in_the_module_docstring_keeps_the_contract(registry):
    text = base.__doc__ or ""
    source = text[text.index("    class FirstSymbol") :]
    names = {**vars(base), "math": math}
    exec(textwrap.dedent(source), names)
    for check in CHECKS:
        if check is not docstring_is_complete:  # its docstring is one line
            check(names["FirstSymbol"])


def test_task_in_a_new_file_is_in_the_catalogue(tmp_path, monkeypatch, registry):
    monkeypatch.setattr(tasks, "__path__", [*tasks.__path__, str(tmp_path)])
    (tmp_path / "found_by_test.py").write_text(
        "from tasks.base import Classification\n\n\nclass Found(Classification):\n    name = 'found'\n"
    )
    assert "found" not in registry
    try:
        importlib.invalidate_caches()
        tasks._import_all.cache_clear()
        assert catalogue()["found"].__module__ == "tasks.found_by_test"
    finally:
        sys.modules.pop("tasks.found_by_test", None)
        vars(tasks).pop("found_by_test", None)


def test_duplicate_name_raises_with_both_classes():
    name = next(iter(catalogue()))
    held = catalogue()[name]
    with pytest.raises(ValueError, match=f"'{name}'") as raised:
        types.new_class("Again", (Task,), exec_body=lambda body: body.update(name=name, __module__="elsewhere"))
    assert f"{held.__module__}.{held.__qualname__}" in str(raised.value)
    assert "elsewhere.Again" in str(raised.value)
    assert catalogue()[name] is held


def test_class_without_a_name_is_not_registered():
    known = catalogue()
    types.new_class("Nameless", (Task,))
    assert catalogue() == known


def test_geometric_is_truncated_and_renormalised():
    drawn = base.geometric(Generator().manual_seed(0), 400_000, mean=10, most=50)
    expected = 0.9 ** torch.arange(51).double()
    expected /= expected.sum()
    frequency = torch.bincount(drawn, minlength=51).double() / len(drawn)
    assert len(frequency) == 51
    torch.testing.assert_close(frequency, expected, atol=0.002, rtol=0)
    assert frequency[50] < 0.0012


def test_means_and_shares_are_over_the_steps_that_count():
    weight = torch.tensor([[0.0, 1], [1, 1]])
    assert base.mean(torch.tensor([[9.0, 1], [2, 6]]), weight) == 3
    assert base.mean(torch.ones(2, 2), torch.zeros(2, 2)) == 0
    errors = torch.tensor([[[9.0, 9], [1, 2]], [[5, 3], [0, 4]]])
    assert base.share_below(4.5, errors, weight) == pytest.approx(2 / 3)
    assert base.share_below(2.5, errors, weight) == pytest.approx(1 / 3)


def test_steps_before_error_skips_the_steps_that_do_not_count():
    weight = torch.tensor([[0.0, 1], [1, 1], [1, 1]])
    correct = torch.tensor([[False, True], [True, False], [True, True]])
    assert base.steps_before_error(correct, weight) == (2 + 1) / 2
