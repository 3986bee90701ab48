"""The contract of a task: batches have the declared shapes, depend on the generator alone, and are scored correctly."""

import copy
import doctest
import inspect
import random
import sys
from typing import Any, get_type_hints

import numpy as np
import torch
from torch import Generator, Tensor

from ablations.contract import Check, ContractViolation, options_are_keywords, require
from ablations.contract.judging import (
    extra_tests_tell_right_from_wrong,
    members_are_scored_independently,
    only_weighted_steps_are_scored,
    perfect_outputs_solve_the_task,
    same,
    stream,
    trivial_loss_is_correct,
)
from tasks import Batch, Task
from tasks.base import Classification


def declares_metadata(cls: type[Task]) -> None:
    """The name, the group, the reference, the meaning of the lag, the criterion and the smallest lag are declared."""
    require(isinstance(cls.name, str) and cls.name.isidentifier(), f"`name` is {cls.name!r}: expected an identifier")
    task = cls()
    for attribute in ("group", "reference", "lag_means", "criterion"):
        text = getattr(task, attribute, "")
        require(isinstance(text, str) and text.strip(), f"`{attribute}` is missing: expected a few words")
    lag = getattr(task, "minimum_lag", None)
    require(type(lag) is int and lag >= 1, f"`minimum_lag` is {lag!r}: expected a whole number of at least 1")


def docstring_is_complete(cls: type[Task]) -> None:
    """The docstring has all required parts, and its worked example is correct."""
    text = (inspect.getdoc(cls) or "").lower()
    for part in ("score = ", "inputs: ", "outputs: ", "targets: ", "trivial predictor", ">>>"):
        require(part in text, f"the docstring does not have {part.strip()!r}")
    compared = "differences" in text or cls.reference.startswith("this project")
    require(compared, "the docstring does not state the differences from its source")
    module = sys.modules[cls.__module__]
    runner = doctest.DebugRunner(verbose=False)
    for example in doctest.DocTestFinder().find(cls, cls.__name__, module):
        try:
            runner.run(example)
        except (doctest.DocTestFailure, doctest.UnexpectedException) as failure:
            got = failure.got if isinstance(failure, doctest.DocTestFailure) else repr(failure.exc_info[1])
            line = (example.lineno or 0) + failure.example.lineno + 1
            raise ContractViolation(
                f"the example in line {line} is wrong: got {'; '.join(got.strip().splitlines())}"
            ) from None


def batches_have_the_declared_form(cls: type[Task]) -> None:
    """Batches have the declared shapes, types and ranges, at any lag, batch size and seed."""
    for batch, more, seed in ((1, 0, 0), (3, 1, 7), (5, 40, 2**47)):
        check_form(cls(), batch, more, seed)


def check_form(task: Task, batch: int, more: int, seed: int) -> None:
    """Check two batches of the lag `minimum_lag + more`."""
    lag = task.minimum_lag + more
    T = task.steps(lag)
    inputs, outputs = task.sizes(lag)
    source = stream(task, seed, batch, more)
    for _ in range(2):
        sample = source.next()
        _require_form("inputs", sample.inputs, (T, batch, inputs), torch.float32)
        _require_form("weight", sample.weight, (T, batch), torch.float32)
        if isinstance(task, Classification):
            _require_form("targets", sample.targets, (T, batch), torch.int64)
            in_range = sample.targets.min() >= 0 and sample.targets.max() < outputs
            _require_sample(in_range, f"targets are not all classes from 0 to {outputs - 1}")
        else:
            _require_form("targets", sample.targets, (T, batch, outputs), torch.float32)
            _require_sample(sample.targets.isfinite().all(), "targets are not all finite")
        _require_sample(sample.inputs.isfinite().all(), "inputs are not all finite")
        _require_sample(((sample.weight == 0) | (sample.weight == 1)).all(), "weight is not 0 or 1 everywhere")
        weighted = task.continual or (sample.weight.sum(0) >= 1).all()
        _require_sample(weighted, "a sequence has no step of weight 1")
        for name, event in sample.events.items():
            _require_form(f"event {name!r}", event, (T, batch), torch.bool)
        contiguous = all(tensor.is_contiguous() for tensor in sample[:3])
        _require_sample(contiguous, "inputs, targets and weight are not all contiguous")
        query = sample.events.get("query")
        matches = query is not None and torch.equal(query, sample.weight.bool())
        _require_sample(matches, "the event 'query' is missing or is not where weight is 1")


def refuses_invalid_lags(cls: type[Task]) -> None:
    """A lag below `minimum_lag` raises ValueError, and the message states what is allowed."""
    task = cls()
    for lag in (task.minimum_lag - 1, 0, -3):
        calls = {"steps": task.steps, "stream": lambda lag: task.stream(Generator(), 2, lag)}
        for method, call in calls.items():
            try:
                call(lag)
            except ValueError as error:
                message = f"lag is {lag}; allowed for {task.name!r}: at least {task.minimum_lag}"
                named = str(error) == message
                require(named, f"at lag {lag}, `{method}` does not raise {message!r}: use `checked`", method)
            else:
                raise ContractViolation(f"at lag {lag}, `{method}` raises no ValueError: use `checked`", method)


def batches_depend_on_the_generator_alone(cls: type[Task]) -> None:
    """Batches depend on the given generator alone, and no batch repeats or changes an earlier one."""
    before = _global_generators()
    first, again, other = (stream(cls(), seed) for seed in (7, 7, 8))
    batches = [first.next() for _ in range(3)]
    copies = copy.deepcopy(batches)
    _require_sample(not same(batches[0], batches[1]), "the second batch equals the first")
    _require_sample(all(same(batch, again.next()) for batch in batches), "the same seed gives other batches")
    _require_sample(not any(same(batch, other.next()) for batch in batches), "another seed gives the same batches")
    _require_sample(all(map(same, batches, copies)), "drawing a batch changes an earlier one")
    _require_sample(before == _global_generators(), "a global random generator is used")


def streams_are_resumable(cls: type[Task]) -> None:
    """A stream that loads a saved state continues from there."""
    source = stream(cls())
    source.next()
    state = source.state()
    require(all(isinstance(v, Tensor) for v in state.values()), "the `state` of a stream has non-tensors", "stream")
    saved = {name: value.clone() for name, value in state.items()}
    future = [source.next() for _ in range(3)]
    unchanged = all(torch.equal(state[name], saved[name]) for name in saved)
    require(unchanged, "the `state` of a stream changes with the stream: return a copy", "stream")
    elsewhere = stream(cls(), seed=99)
    elsewhere.next()
    for resumed in (source, elsewhere):
        resumed.load(state)
        equal = all(same(batch, resumed.next()) for batch in future)
        require(equal, "a stream that loads a `state` does not continue from it", "stream")


def splits_share_no_sequence(cls: type[Task]) -> None:
    """A task with splits trains on `stream`, and has no training sequence in its validation and test splits."""
    if cls.split_stream is Task.split_stream:
        return
    task, lag = cls(), cls().minimum_lag + 5

    def batches(split: str) -> list[Batch]:
        source = task.split_stream(split, Generator().manual_seed(7), 64, lag)
        return [source.next() for _ in range(4)]

    by_split = {split: batches(split) for split in ("train", "validation", "test")}
    equal = all(map(same, by_split["train"], batches("train")))
    require(equal, "the split 'train': the same seed gives other batches", "split_stream")
    source = task.stream(Generator().manual_seed(7), 64, lag)
    require(all(same(one, source.next()) for one in by_split["train"]), "`stream` is not the split 'train'", "stream")
    training = {sequence for batch in by_split["train"] for sequence in _sequences(batch)}
    for split in ("validation", "test"):
        shared = any(sequence in training for batch in by_split[split] for sequence in _sequences(batch))
        require(not shared, f"the splits 'train' and {split!r} share sequences", "split_stream")


def evaluation_has_the_requested_size(cls: type[Task]) -> None:
    """`Task.evaluation` returns the numbers of sequences, of warm-up windows and of scored windows.

    An episodic task has as many sequences as requested, in one scored window. A continual task may choose all three, each at least 1.
    """
    for final in (False, True):
        size = cls().evaluation(123, final)
        if cls.continual:
            valid, expected = min(size) >= 1, "at least 1 each"
        else:
            valid, expected = size == (123, 0, 1), "(123, 0, 1)"
        require(valid, f"`evaluation(123, final={final})` is {size}: expected {expected}", "evaluation")


def does_not_reset_by_default(cls: type[Task]) -> None:
    """Without options, the task does not reset the state of a model."""
    task = cls()
    reset = task.reset(stream(task).next().events)
    require(reset is None, "without options, `reset` is not None", "reset")


def refuses_invalid_options(cls: type[Task]) -> None:
    """Every option has a type and an explanation, and an invalid value is refused with its name."""
    for option in inspect.signature(cls).parameters:
        require(option in get_type_hints(cls.__init__), f"option {option!r} has no type", "__init__")
        explained = f"`{option}`" in (cls.__init__.__doc__ or "")
        require(explained, f"the docstring of `__init__` does not explain `{option}`", "__init__")
        for value in (None, [3]):
            expected = f"option {option!r} is {value!r}; allowed: "
            named = (refusal(cls, option, value) or "").startswith(expected)
            require(named, f"option {option!r} accepts {value!r}, or its message is not {expected!r}...", "__init__")


def refusal(cls: type[Task], option: str, value: Any) -> str | None:
    """The error message for the value of an option; None if the value is accepted.

    Bypasses the type checks of the test run, as values from a study file do.
    """
    try:
        inspect.unwrap(cls.__init__)(cls.__new__(cls), **{option: value})
    except ValueError as error:
        return str(error)
    return None


BASIC: tuple[Check, ...] = (options_are_keywords, declares_metadata, batches_have_the_declared_form)
"""The checks that a task has to pass to be usable at all."""

CHECKS: tuple[Check, ...] = (
    *BASIC,
    docstring_is_complete,
    refuses_invalid_lags,
    batches_depend_on_the_generator_alone,
    streams_are_resumable,
    splits_share_no_sequence,
    evaluation_has_the_requested_size,
    perfect_outputs_solve_the_task,
    trivial_loss_is_correct,
    only_weighted_steps_are_scored,
    members_are_scored_independently,
    extra_tests_tell_right_from_wrong,
    does_not_reset_by_default,
    refuses_invalid_options,
)


def _sequences(batch: Batch) -> list[bytes]:
    """Each sequence of a batch, inputs and targets."""
    return [b"".join(field[:, k].numpy().tobytes() for field in batch[:2]) for k in range(batch.inputs.shape[1])]


def _global_generators() -> tuple[Any, ...]:
    return torch.get_rng_state().tolist(), random.getstate(), str(np.random.get_state(legacy=False)["state"])  # noqa: NPY002


def _require_sample(condition: object, message: str) -> None:
    require(condition, message, "sample")


def _require_form(subject: str, value: Any, shape: tuple[int, ...], dtype: torch.dtype) -> None:
    _require_sample(isinstance(value, Tensor), f"{subject} of a batch: {type(value).__name__}; expected a tensor")
    _require_sample(
        value.shape == shape and value.dtype == dtype,
        f"{subject} of a batch: {list(value.shape)}, {value.dtype}; expected {list(shape)}, {dtype}",
    )
