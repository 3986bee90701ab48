"""The contract that every task keeps, run on all that are registered: a new task is tested by being there."""

import importlib
import inspect
import sys
import types

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Generator

import tasks
from ablations.contract.tasks import CHECKS, check_form, refusal
from tasks import Task, base, catalogue

TASKS = [pytest.param(task, id=name) for name, task in catalogue().items()]
OPTIONS = [
    pytest.param(task, option, id=f"{name}-{option}")
    for name, task in catalogue().items()
    for option in inspect.signature(task).parameters
]
every_task = pytest.mark.parametrize("cls", TASKS)


@every_task
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_it_keeps_the_contract(cls, check):
    check(cls)


@every_task
@settings(max_examples=12, deadline=None)
@given(batch=st.integers(1, 5), more=st.integers(0, 40), seed=st.integers(0, 2**48))
def test_batches_have_the_declared_form(cls, batch, more, seed):
    check_form(cls(), batch, more, seed)


@pytest.mark.parametrize(("cls", "option"), OPTIONS)
@pytest.mark.parametrize("value", [-1, 2.5, "nonsense"])
def test_bad_options_are_refused_by_name(cls, option, value):
    assert (refusal(cls, option, value) or "").startswith(f"option '{option}' is {value!r}; allowed: ")


def test_a_new_file_is_found(tmp_path, monkeypatch):
    monkeypatch.setattr(base, "registry", registry := dict(base.registry))
    monkeypatch.setattr(tasks, "registry", registry)
    monkeypatch.setattr(tasks, "__path__", [*tasks.__path__, str(tmp_path)])
    (tmp_path / "found_by_test.py").write_text(
        "from tasks.base import Classification\n\n\nclass Found(Classification):\n    name = 'found'\n"
    )
    assert "found" not in base.registry
    try:
        importlib.invalidate_caches()
        assert catalogue()["found"].__module__ == "tasks.found_by_test"
    finally:
        sys.modules.pop("tasks.found_by_test", None)
        vars(tasks).pop("found_by_test", None)


def test_a_name_that_is_taken_is_refused_with_both_places():
    name = next(iter(catalogue()))
    held = catalogue()[name]
    with pytest.raises(ValueError, match=f"'{name}'") as raised:
        types.new_class("Again", (Task,), exec_body=lambda body: body.update(name=name, __module__="elsewhere"))
    assert f"{held.__module__}.{held.__qualname__}" in str(raised.value)
    assert "elsewhere.Again" in str(raised.value)
    assert catalogue()[name] is held


def test_an_abstract_task_is_not_registered():
    known = catalogue()
    types.new_class("Nameless", (Task,))
    assert catalogue() == known


def test_geometric_has_no_lump_at_its_end():
    drawn = base.geometric(Generator().manual_seed(0), 400_000, mean=10, most=50)
    expected = 0.9 ** torch.arange(51).double()
    expected /= expected.sum()
    frequency = torch.bincount(drawn, minlength=51).double() / len(drawn)
    assert len(frequency) == 51
    torch.testing.assert_close(frequency, expected, atol=0.002, rtol=0)
    assert frequency[50] < 0.0012
