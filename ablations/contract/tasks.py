"""The contract of a task: what it draws has the declared form, is decided by its generator, and is judged as it says."""

import copy
import doctest
import inspect
import random
import sys
from typing import Any, get_type_hints

import numpy as np
import torch
from torch import Generator, Tensor

from ablations.contract import Broken, Check, options_are_keywords, require
from ablations.contract.judging import (
    asks_what_it_can_judge,
    judges_members_alone,
    judges_what_counts,
    knows_the_trivial_loss,
    rewards_perfection,
    same,
    stream,
)
from tasks import Task
from tasks.base import Classification


def says_what_it_is(cls: type[Task]) -> None:
    """It says what it is: its name, what it separates, its source, what its lag means, and when it is solved."""
    require(isinstance(cls.name, str) and cls.name.isidentifier(), f"its name {cls.name!r} is no plain word")
    task = cls()
    for attribute in ("group", "reference", "lag_means", "criterion"):
        text = getattr(task, attribute, "")
        require(isinstance(text, str) and text.strip(), f"`{attribute}` is missing: a few words")
    lag = getattr(task, "minimum_lag", None)
    require(type(lag) is int and lag >= 1, f"`minimum_lag` is {lag!r}: it has to be a whole number from 1 on")


def explains_itself(cls: type[Task]) -> None:
    """Its docstring has the parts that a reader looks for, and its worked example holds."""
    said = (inspect.getdoc(cls) or "").lower()
    for part in ("score = ", "inputs: ", "outputs: ", "targets: ", "trivial predictor", ">>>"):
        require(part in said, f"its docstring does not have {part.strip()!r}")
    own = "differences" in said or cls.reference.startswith("this project")
    require(own, "its docstring does not state the differences from its source")
    module = sys.modules[cls.__module__]
    runner = doctest.DebugRunner(verbose=False)
    for example in doctest.DocTestFinder().find(cls, cls.__name__, module):
        try:
            runner.run(example)
        except (doctest.DocTestFailure, doctest.UnexpectedException) as failed:
            got = failed.got if isinstance(failed, doctest.DocTestFailure) else repr(failed.exc_info[1])
            line = (example.lineno or 0) + failed.example.lineno + 1
            raise Broken(
                f"the example in line {line} does not hold, it gives: {'; '.join(got.strip().splitlines())}"
            ) from None


def draws_what_it_declares(cls: type[Task]) -> None:
    """Batches have the declared form, at any lag, size and seed."""
    for batch, more, seed in ((1, 0, 0), (3, 1, 7), (5, 40, 2**47)):
        check_form(cls(), batch, more, seed)


def check_form(task: Task, batch: int, more: int, seed: int) -> None:
    """Two batches, of a lag that is `more` than the smallest."""
    lag = task.minimum_lag + more
    T = task.steps(lag)
    inputs, outputs = task.sizes(lag)
    source = stream(task, seed, batch, more)
    for _ in range(2):
        made = source.next()
        _require_form("inputs", made.inputs, (T, batch, inputs), torch.float32)
        _require_form("weight", made.weight, (T, batch), torch.float32)
        if isinstance(task, Classification):
            _require_form("targets", made.targets, (T, batch), torch.int64)
            classes = made.targets.min() >= 0 and made.targets.max() < outputs
            _draw(classes, f"targets are not classes from 0 to {outputs - 1}")
        else:
            _require_form("targets", made.targets, (T, batch, outputs), torch.float32)
            _draw(made.targets.isfinite().all(), "targets are not all finite")
        _draw(made.inputs.isfinite().all(), "inputs are not all finite")
        _draw(((made.weight == 0) | (made.weight == 1)).all(), "weight is not 0 or 1 everywhere")
        _draw(task.continual or (made.weight.sum(0) >= 1).all(), "no step counts in some sequence")
        for name, event in made.events.items():
            _require_form(f"event {name!r}", event, (T, batch), torch.bool)
        _draw(all(x.is_contiguous() for x in made[:3]), "inputs, targets and weight are not all contiguous")
        query = made.events.get("query")
        _draw(
            query is not None and torch.equal(query, made.weight.bool()), "the event 'query' is not where weight is 1"
        )


def keeps_its_lag(cls: type[Task]) -> None:
    """A lag that is too small is refused, and says what is allowed."""
    task = cls()
    for lag in (task.minimum_lag - 1, 0, -3):
        asks = {"steps": task.steps, "stream": lambda lag: task.stream(Generator(), 2, lag)}
        for about, ask in asks.items():
            try:
                ask(lag)
            except ValueError as error:
                said = f"lag is {lag}; allowed for {task.name!r}: at least {task.minimum_lag}"
                require(str(error) == said, f"at lag {lag}, `{about}` does not raise {said!r}: use `checked`", about)
            else:
                raise Broken(f"at lag {lag}, `{about}` raises no ValueError: use `checked`", about)


def draws_from_its_generator(cls: type[Task]) -> None:
    """All its randomness is its generator's, and every batch is a fresh one."""
    before = _global_generators()
    first, again, other = (stream(cls(), seed) for seed in (7, 7, 8))
    drawn = [first.next() for _ in range(3)]
    kept = copy.deepcopy(drawn)
    _draw(not same(drawn[0], drawn[1]), "the second batch is the first")
    _draw(all(same(batch, again.next()) for batch in drawn), "the same seed gives other batches")
    _draw(not any(same(batch, other.next()) for batch in drawn), "another seed gives the same batches")
    _draw(all(map(same, drawn, kept)), "a batch is changed when the next is drawn")
    _draw(before == _global_generators(), "it draws from a global generator")


def resumes_its_streams(cls: type[Task]) -> None:
    """A stream goes on where its state was taken."""
    source = stream(cls())
    source.next()
    state = source.state()
    require(all(isinstance(v, Tensor) for v in state.values()), "a stream's `state` has to be of tensors", "stream")
    saved = {name: value.clone() for name, value in state.items()}
    future = [source.next() for _ in range(3)]
    kept = all(torch.equal(state[name], saved[name]) for name in saved)
    require(kept, "a stream's `state` changes when the stream goes on: give a copy", "stream")
    elsewhere = stream(cls(), seed=99)
    elsewhere.next()
    for resumed in (source, elsewhere):
        resumed.load(state)
        require(
            all(same(batch, resumed.next()) for batch in future), "a stream does not go on from its `state`", "stream"
        )


def evaluates_as_asked(cls: type[Task]) -> None:
    """An evaluation has as many sequences as the study asks for, or windows of its own."""
    for final in (False, True):
        asked = cls().evaluation(123, final)
        fits = min(asked[0], asked[2]) >= 1 and asked[1] >= 1 if cls.continual else asked == (123, 0, 1)
        require(fits, f"`evaluation(123, final={final})` is {asked}", "evaluation")


def resets_nothing(cls: type[Task]) -> None:
    """Without options, no state is reset from outside: that is a control."""
    task = cls()
    require(task.reset(stream(task).next().events) is None, "it resets a model's state without being asked to", "reset")


def refuses_bad_options(cls: type[Task]) -> None:
    """Its options are typed and explained, and a value that is not allowed is refused by name."""
    for option in inspect.signature(cls).parameters:
        require(option in get_type_hints(cls.__init__), f"option {option!r} has no type", "__init__")
        explained = f"`{option}`" in (cls.__init__.__doc__ or "")
        require(explained, f"the docstring of `__init__` does not explain `{option}`", "__init__")
        for value in (None, [3]):
            said = refusal(cls, option, value)
            named = said is not None and said.startswith(f"option {option!r} is {value!r}; allowed: ")
            require(
                named,
                f"option {option!r} takes {value!r}, or refuses it in other words than `whole` and `one_of`",
                "__init__",
            )


def refusal(cls: type[Task], option: str, value: Any) -> str | None:
    """What is said where a study gives an option a value; None if it is taken. No type checker has seen the value, not
    even that of the test run."""
    try:
        inspect.unwrap(cls.__init__)(cls.__new__(cls), **{option: value})
    except ValueError as error:
        return str(error)
    return None


BASIC: tuple[Check, ...] = (options_are_keywords, says_what_it_is, draws_what_it_declares)
"""What a task must keep to be used at all."""

CHECKS: tuple[Check, ...] = (
    *BASIC,
    explains_itself,
    keeps_its_lag,
    draws_from_its_generator,
    resumes_its_streams,
    evaluates_as_asked,
    rewards_perfection,
    knows_the_trivial_loss,
    judges_what_counts,
    judges_members_alone,
    asks_what_it_can_judge,
    resets_nothing,
    refuses_bad_options,
)


def _global_generators() -> tuple[Any, ...]:
    return torch.get_rng_state().tolist(), random.getstate(), str(np.random.get_state(legacy=False)["state"])  # noqa: NPY002


def _draw(kept: object, sentence: str) -> None:
    require(kept, sentence, "sample")


def _require_form(what: str, value: Any, shape: tuple[int, ...], kind: torch.dtype) -> None:
    _draw(isinstance(value, Tensor), f"{what} of a batch is {type(value).__name__}, not a tensor")
    declared = f"it has to be {list(shape)}, {kind}"
    _draw(
        value.shape == shape and value.dtype == kind,
        f"{what} of a batch is {list(value.shape)}, {value.dtype}: {declared}",
    )
