"""The contract of tasks, checked for every task of the catalogue."""

import inspect

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ablations.contract.tasks import CHECKS, check_form, refusal
from tasks import catalogue

TASKS = [pytest.param(task, id=name) for name, task in catalogue().items()]
OPTIONS = [
    pytest.param(task, option, id=f"{name}-{option}")
    for name, task in catalogue().items()
    for option in inspect.signature(task).parameters
]
every_task = pytest.mark.parametrize("cls", TASKS)


@every_task
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_task_keeps_the_contract(cls, check):
    check(cls)


@every_task
@settings(max_examples=12, deadline=None)
@given(batch=st.integers(1, 5), more=st.integers(0, 40), seed=st.integers(0, 2**48))
def test_batches_have_the_declared_form(cls, batch, more, seed):
    check_form(cls(), batch, more, seed)


@pytest.mark.parametrize(("cls", "option"), OPTIONS)
@pytest.mark.parametrize("value", [-1, 2.5, "nonsense"])
def test_invalid_options_raise_an_error_that_names_them(cls, option, value):
    assert (refusal(cls, option, value) or "").startswith(f"option '{option}' is {value!r}; allowed: ")
