"""Arguments and options of the command line: types, which Typer checks, help, completion."""

from pathlib import Path
from typing import Annotated, Literal

from typer import Argument, Option

from ablations.commands.completion import complete_cell, complete_study, complete_task

Engine = Literal["auto", "fused", "eager"]

Study = Annotated[str, Argument(metavar="STUDY", help="A preset's name or a TOML file.", autocompletion=complete_study)]
StudyOrList = Annotated[
    str,
    Argument(
        metavar="STUDY",
        help="A preset's name or a TOML file; without it, the presets are listed.",
        autocompletion=complete_study,
    ),
]
CellName = Annotated[str, Argument(metavar="CELL", help="Show only this cell, in full.", autocompletion=complete_cell)]
TaskName = Annotated[str, Argument(metavar="TASK", help="Show only this task, in full.", autocompletion=complete_task)]
RunPrefix = Annotated[
    str, Argument(metavar="RUN", help="A confirmed network: its run id or its hash, or the start of one of them.")
]
PluginFile = Annotated[
    Path, Argument(metavar="FILE", exists=True, dir_okay=False, help="A Python file with cells or tasks.")
]

StoreFolder = Annotated[Path, Option("--store", file_okay=False, help="The folder that holds the runs.")]
_OUT = Option("--out", file_okay=False, writable=True, help="The folder to write to.")
Out = Annotated[Path, _OUT]
OutOrDefault = Annotated[Path | None, _OUT]
Workers = Annotated[int, Option("--workers", min=1, help="Worker processes, one thread each.")]
EngineName = Annotated[
    Engine,
    Option(
        "--engine",
        help="How cells are computed. fused: a compiled kernel; a cell that cannot be compiled is an error. eager: plain "
        "torch. auto: fused where possible, else eager.",
    ),
]
Plugins = Annotated[
    list[Path] | None,
    Option(
        "--plugin", metavar="FILE", exists=True, dir_okay=False, help="A Python file with cells or tasks; repeatable."
    ),
]
Changes = Annotated[
    list[str] | None,
    Option(
        "--set",
        metavar="KEY=VALUE",
        help="Change the study, as in train.steps=500 or task.recall.lags=[10]; repeatable.",
    ),
]
DryRun = Annotated[bool, Option("--dry-run", help="Only print the arms and a time estimate.")]
Tables = Annotated[
    Path | None,
    Option("--from", exists=True, help="Rebuild from tables instead of the store: a report's folder, or results.csv."),
]
Port = Annotated[int, Option("--port", min=1, max=65535, help="The port on 127.0.0.1.")]
Inputs = Annotated[int, Option("--inputs", min=1, help="Input features of the layer whose weights are shown.")]
Hidden = Annotated[int, Option("--hidden", min=1, help="Hidden units of that layer.")]
CellPair = Annotated[
    tuple[str, str] | None,
    Option("--diff", metavar="A B", help="Show the differences between two cells.", autocompletion=complete_cell),
]
Json = Annotated[bool, Option("--json", help="Print JSON.")]

Version = Annotated[bool, Option("--version", help="Print the version.")]


def study_name(study: str) -> str:
    """Return the name that a STUDY argument has in the store: the argument itself, or the `name` in a TOML file."""
    if not study.endswith(".toml"):
        return study
    from ablations.studies.study import load

    return load(study).name
