"""Arbitrary study files and `--set` values: a study, or one sentence per problem."""

from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ablations.errors import InputError
from ablations.studies.loading import load
from ablations.studies.study import Study
from tests.ablations.studies.small_study import SMALL_STUDY

KEYS = [
    "name", "description", "seed", "cells", "cells.rnn.layers", "cells.rnn", "match", "sizes", "task", "task.recall.lags",
    "task.recall.label", "task.recall.until_unsolved", "task.recall.alphabet", "train", "train.steps", "train.batch",
    "train.eval_every", "train.patience", "train.test", "train.time_limit", "tune.searches", "tune.trials", "tune.seeds",
    "tune.rerank", "tune.sampler", "tune.population", "tune.space", "tune.space.learning_rate", "tune.space.lr_schedule",
    "tune.space.forget_bias", "confirm", "confirm.seeds", "confirm.probes", "parts",
]  # fmt: skip
VALUES = [
    "0", "-1", "1", "7", "1e400", "nan", "-inf", "9" * 30, "9" * 5000, "true", '""', '"lstm"', "'lstm'", "[]", "[[]]", "[1, 2]",
    '["lstm", "gru"]', "{}", "{ low = 1, high = 2, log = true }", "{ low = 0, high = inf }", '{ cell = "lstm", layers = 2 }',
    '[{ cell = "lstm", init = { forget_bias = nan } }]', '[{ cell = "mlp_gates", options = { depth = [] } }]', "2020-01-01",
    "12:00:00", "0x10", "[" * 3000, '"""a\nb"""', '[{ name = "recall", lags = [2], x = 1 }]', '{ name = "recall", lags = [2] }',
]  # fmt: skip
keys = st.sampled_from(KEYS) | st.text(max_size=20)
values = st.sampled_from(VALUES) | st.text(max_size=20)
MANY = settings(
    max_examples=1000, deadline=5000, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


def loads_or_is_refused(path: Path, changes: list[str]) -> None:
    """A study, or an InputError of short lines."""
    refusal = "refused"
    try:
        assert isinstance(load(str(path), changes), Study)
    except InputError as error:
        refusal = str(error)
    assert refusal
    assert "Traceback" not in refusal


@MANY
@given(st.lists(st.tuples(keys, st.sampled_from("= "), values), min_size=1, max_size=3))
def test_any_change_gives_a_study_or_a_sentence(study_file: Path, changes: list[tuple[str, str, str]]) -> None:
    loads_or_is_refused(study_file, ["".join(change) for change in changes])


@st.composite
def edited(draw: st.DrawFn) -> str:
    """The small study with some of its text replaced, moved or cut, or any text."""
    text = SMALL_STUDY
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(text)))
        end = draw(st.integers(start, min(start + 30, len(text))))
        new = draw(st.sampled_from([f"{key} = {value}\n" for key in KEYS[:12] for value in VALUES]) | values)
        text = text[:start] + new + text[end:]
    return draw(st.sampled_from([text, text, text, draw(st.text(max_size=60))]))


@MANY
@given(edited(), st.sampled_from(["utf-8", "utf-16", "latin-1"]))
def test_any_file_gives_a_study_or_a_sentence(study_file: Path, text: str, encoding: str) -> None:
    study_file.write_bytes(text.encode(encoding, errors="replace"))
    loads_or_is_refused(study_file, [])
