"""Arguments and options of the command line: types, which Typer checks, help, completion."""

import os
from pathlib import Path
from typing import Annotated, Any, Literal

from typer import Argument, Option

from ablations.commands.completion import complete_cell, complete_study, complete_task
from ablations.errors import InputError, refuse_pipe

LONGEST_NAME = 255
"""Bytes of the name of a file, on all common file systems."""


def _checked(value: Any) -> Any:
    """The value of an argument that may be a path, or several. Raises InputError for one that no file can have."""
    for path in value if isinstance(value, list) else [value]:
        text = str(path or "")
        try:
            names = text.encode().split(os.sep.encode())
        except UnicodeEncodeError:
            raise InputError(f"{text!r}: whygates needs paths in UTF-8; rename it") from None
        if "\0" in text or any(len(name) > LONGEST_NAME for name in names):
            raise InputError(f"{text!r}: a name in this path is too long; at most {LONGEST_NAME} bytes")
    return value


def _plugins(files: list[Path] | None) -> list[Path] | None:
    for file in files or ():
        refuse_pipe(f"--plugin {file}", file)
    return _checked(files)


Engine = Literal["auto", "fused", "triton", "eager"]
Device = Literal["auto", "cpu", "cuda"]

Study = Annotated[
    str,
    Argument(metavar="STUDY", help="A preset's name or a TOML file.", callback=_checked, autocompletion=complete_study),
]
Studies = Annotated[
    list[str] | None,
    Argument(
        metavar="STUDY",
        help="Presets' names or TOML files; several are joined in one report.",
        callback=_checked,
        autocompletion=complete_study,
    ),
]
StudyOrList = Annotated[
    str,
    Argument(
        metavar="STUDY",
        help="A preset's name or a TOML file; without it, the presets are listed.",
        callback=_checked,
        autocompletion=complete_study,
    ),
]
StudyOfStore = Annotated[
    str,
    Argument(
        metavar="STUDY",
        help="A preset's name or a TOML file; without it, the studies of the store are listed.",
        callback=_checked,
        autocompletion=complete_study,
    ),
]
CellName = Annotated[str, Argument(metavar="CELL", help="Show only this cell, in full.", autocompletion=complete_cell)]
TaskName = Annotated[str, Argument(metavar="TASK", help="Show only this task, in full.", autocompletion=complete_task)]
RunPrefix = Annotated[
    str, Argument(metavar="RUN", help="A confirmed network: its run id or its hash, or the start of one of them.")
]
PluginFile = Annotated[
    Path,
    Argument(metavar="FILE", exists=True, dir_okay=False, callback=_checked, help="A Python file with cells or tasks."),
]

StoreFolder = Annotated[
    Path, Option("--store", file_okay=False, callback=_checked, help="The folder that holds the runs.")
]
_OUT = Option("--out", file_okay=False, writable=True, callback=_checked, help="The folder to write to.")
Out = Annotated[Path, _OUT]
OutOrDefault = Annotated[Path | None, _OUT]
OutFile = Annotated[
    Path, Option("--out", dir_okay=False, callback=_checked, help="The file to write: NAME.csv or NAME.parquet.")
]
TableName = Annotated[
    Literal["members", "trials", "curves"],
    Option(
        "--table",
        help="members: confirmed networks. trials: networks of tuning. curves: points of all learning curves.",
    ),
]
Sources = Annotated[
    list[Path], Argument(metavar="FROM", exists=True, file_okay=False, callback=_checked, help="Stores to copy from.")
]
Yes = Annotated[bool, Option("--yes", help="Remove without confirmation.")]
Workers = Annotated[int, Option("--workers", min=1, help="Worker processes, one thread each.")]
SweepWorkers = Annotated[
    int | None,
    Option(
        "--workers",
        min=1,
        help="Worker processes, one thread each; with --ray, arms in training at a time. By default one per core, or one for a GPU.",
        show_default=False,
    ),
]
EngineName = Annotated[
    Engine,
    Option(
        "--engine",
        help="How cells are computed. fused: a compiled kernel for the CPU, triton: one for the GPU; a cell that cannot be "
        "compiled is an error. eager: plain torch. auto: compiled where possible, else eager.",
    ),
]
DeviceName = Annotated[
    Device, Option("--device", help="Where networks are trained. auto: on the GPU if there is one, else on the CPU.")
]
Plugins = Annotated[
    list[Path] | None,
    Option(
        "--plugin",
        metavar="FILE",
        exists=True,
        dir_okay=False,
        callback=_plugins,
        help="A Python file with cells or tasks; repeatable.",
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
Only = Annotated[
    list[str] | None,
    Option(
        "--only",
        metavar="KEY:VALUE",
        help="Run only the arms that these claims need, as in claim:1,4, or those of a cell, task, lag or size; repeatable.",
    ),
]
DryRun = Annotated[
    bool, Option("--dry-run", help="Only print what would be trained, and an upper limit of time and disk.")
]
Wait = Annotated[bool, Option("--wait", help="Wait for another sweep on the store to end, instead of being refused.")]
OptunaStorage = Annotated[
    str,
    Option(
        "--optuna-storage",
        metavar="URL",
        envvar="WHYGATES_OPTUNA_STORAGE",
        help="The database of the searches, as in postgresql+psycopg://user@host/name; by default a file in the store.",
    ),
]
Ray = Annotated[
    str,
    Option(
        "--ray",
        metavar="ADDRESS",
        help="Train on this Ray cluster: host:port, or auto for that of this machine or of a Ray job.",
        show_default=False,
    ),
]
Shared = Annotated[
    str,
    Option(
        "--shared",
        metavar="FOLDER",
        help="With --ray: the folder of checkpoints, a path or an address such as s3://bucket/folder that all nodes reach; by "
        "default they are sent to this machine.",
        show_default=False,
    ),
]
Tables = Annotated[
    list[Path] | None,
    Option(
        "--from",
        exists=True,
        callback=_checked,
        help="Rebuild from tables instead of the store: a report's folder, or results.csv; several folders are joined.",
    ),
]
Beside = Annotated[
    list[str] | None,
    Option(
        "--beside",
        help="A robustness study to show too, which decides no claim: its name; with --from a folder of its tables.",
    ),
]
Port = Annotated[
    int | None,
    Option("--port", min=1, max=65535, help="The port on 127.0.0.1: by default the last one of this store, or 5000."),
]
Open = Annotated[bool, Option("--open", help="Open the page in the browser.")]
Inputs = Annotated[int, Option("--inputs", min=1, help="Input features of the layer whose weights are shown.")]
Hidden = Annotated[int, Option("--hidden", min=1, help="Hidden units of that layer.")]
CellPair = Annotated[
    tuple[str, str] | None,
    Option("--diff", metavar="A B", help="Show the differences between two cells.", autocompletion=complete_cell),
]
Json = Annotated[bool, Option("--json", help="Print JSON.")]

Version = Annotated[bool, Option("--version", help="Print the version.")]


def study_name(study: str) -> str:
    """Return the name that a STUDY argument has in the store: a preset's name, the `name` in a file, or the argument."""
    from ablations.studies.loading import load, presets

    is_file = os.path.exists(study) and not os.path.isdir(study)  # also a pipe, which is refused
    if study not in presets() and (is_file or study.lower().endswith(".toml")):
        return load(study).name
    return study


def load_plugins(files: list[Path] | None, complete: bool = False) -> None:
    """Register the cells and tasks of plug-ins (see `plugins.load`)."""
    if files:  # otherwise the import is not needed
        from ablations.contract.plugins import load

        load(files, complete)
