"""Arguments and options: their choices, and the study that an argument names."""

from pathlib import Path
from typing import get_args

from ablations.commands.options import Engine, study_name
from ablations.engines import ENGINES


def test_the_choices_of_engine_are_the_engines_that_exist() -> None:
    assert sorted(get_args(Engine)) == sorted(ENGINES)


def test_a_study_is_named_by_its_name_or_by_its_file(tiny: Path) -> None:
    assert study_name("smoke") == "smoke"
    assert study_name(str(tiny / "tiny.toml")) == "tiny"
