"""The command line. It alone knows every room; each command imports what it needs, so that `--help` stays instant."""

import json
import os
import shlex
import signal
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from ablations import __version__
from ablations.errors import InputError

DEFAULT_STORE = Path("whygates-store")
DEFAULT_OUT = Path("whygates-report")
DEMO_OUT = DEFAULT_OUT / "smoke"

app = typer.Typer(
    help="Why gates? Train recurrent cells and their ablations on long-lag tasks, and let the data decide.\n\n"
    "Start with `whygates demo`: a few minutes, and a report to read.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
# What is printed is text, not markup: labels may hold anything. Where it is piped, its tables have room.
out = Console(markup=False, emoji=False, width=None if sys.stdout.isatty() else 160)

StudyArgument = Annotated[str, typer.Argument(metavar="STUDY", help="A preset's name or a TOML file.")]
StoreOption = Annotated[Path, typer.Option("--store", help="The folder that holds the runs.")]
WorkersOption = Annotated[int, typer.Option("--workers", min=1, help="Processes, one thread each.")]
EngineOption = Annotated[str, typer.Option("--engine", help="How cells are run: auto, fused or eager.")]
PluginOption = Annotated[
    list[Path] | None,
    typer.Option("--plugin", metavar="FILE", help="A Python file with cells or tasks of your own; give one or more."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@app.command()
def demo(
    store: StoreOption = DEFAULT_STORE,
    out_folder: Annotated[Path, typer.Option("--out", help="The folder for the report.")] = DEMO_OUT,
    workers: WorkersOption = CORES,
) -> None:
    """Run the `smoke` study and write its report: a few minutes on a laptop."""
    from ablations.studies import study

    _writable(out_folder)
    again = _command("demo", store=store, out=out_folder, workers=workers)
    code = _sweep(study.load("smoke"), store, workers, "auto", again)
    if code == 130:
        raise typer.Exit(code)
    _report("smoke", store, out_folder)
    raise typer.Exit(code)


@app.command()
def sweep(
    study: Annotated[
        str, typer.Argument(metavar="STUDY", help="A preset's name or a TOML file; none lists the presets.")
    ] = "",
    store: StoreOption = DEFAULT_STORE,
    workers: WorkersOption = CORES,
    engine: EngineOption = "auto",
    plugin: PluginOption = None,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", help="Change the study: key=value, as in train.steps=500 or task.recall.lags=[10]."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only print what would be run, and about how long.")
    ] = False,
) -> None:
    """Tune and confirm every arm of a study. Stop it anywhere: the same command goes on."""
    from ablations.studies import study as studies

    _load(plugin)
    if not study:
        for name, path in studies.presets().items():
            _say(f"{name}: {studies.load(str(path)).description}")
        return
    loaded = studies.load(study, changes or [])
    if dry_run:
        from ablations.commands.dry_run import plan

        plan(loaded, engine, workers, out)
        return
    words = [word for file in plugin or [] for word in ("--plugin", str(file))]
    words += [word for change in changes or [] for word in ("--set", change)]
    again = _command("sweep", study, *words, store=store, workers=workers, engine=engine)
    raise typer.Exit(_sweep(loaded, store, workers, engine, again))


@app.command()
def status(
    study: StudyArgument,
    store: StoreOption = DEFAULT_STORE,
    plugin: PluginOption = None,
    as_json: JsonOption = False,
) -> None:
    """How far a study has come: its arms, phase by phase."""
    from ablations.commands.catalogue import show_status
    from ablations.sweeps.store import Store
    from ablations.tracking.tracker import Tracker

    _load(plugin)
    opened = Store.open(store)
    tracker = Tracker(opened, _name(study))
    arms = tracker.status(tracker.manifest())
    if not opened.busy:
        for arm in arms:
            arm["state"] = "interrupted" if arm["state"] == "running" else arm["state"]
    if as_json:
        print(json.dumps(arms, indent=2))
    else:
        show_status(arms, opened.busy, out)


@app.command()
def report(
    study: Annotated[str, typer.Argument(metavar="STUDY", help="A preset's name or a TOML file.")] = "",
    store: StoreOption = DEFAULT_STORE,
    out_folder: Annotated[Path | None, typer.Option("--out", help="The folder for the report.")] = None,
    plugin: PluginOption = None,
    source: Annotated[
        Path | None, typer.Option("--from", help="Rebuild from tables instead: a folder, or results.csv.")
    ] = None,
) -> None:
    """Write the report of a study: HTML, Markdown, verdicts, tables and figures."""
    if bool(study) == bool(source):
        raise InputError("report: name either a STUDY or --from TABLES")
    _load(plugin)
    if source:
        _build(source, out_folder or DEFAULT_OUT / "rebuilt")
    else:
        _report(_name(study), store, out_folder or DEFAULT_OUT / _name(study))


@app.command()
def inspect(
    run: Annotated[
        str,
        typer.Argument(metavar="RUN_ID", help="A confirmed network: the id of its run, its hash, or how one begins."),
    ],
    store: StoreOption = DEFAULT_STORE,
    out_folder: Annotated[Path, typer.Option("--out", help="The folder for the figures.")] = DEFAULT_OUT / "networks",
    plugin: PluginOption = None,
) -> None:
    """Look into one trained network: gradient flow, retention, gates, and a trace of one sequence."""
    from ablations.commands.inspect import inspect
    from ablations.sweeps.store import Store

    _load(plugin)
    inspect(run, Store.open(store), out_folder, out)


@app.command()
def ui(
    store: StoreOption = DEFAULT_STORE,
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="The port on 127.0.0.1.")] = 5000,
) -> None:
    """Browse the runs in the MLflow UI, on this machine only."""
    from ablations.commands.progress import serve
    from ablations.sweeps.store import Store

    serve(Store.open(store), port, out)


@app.command()
def cells(
    as_json: JsonOption = False,
    plugin: PluginOption = None,
    inputs: Annotated[int, typer.Option("--inputs", min=1, help="Input features to count parameters for.")] = 8,
    hidden: Annotated[int, typer.Option("--hidden", min=1, help="Hidden units to count parameters for.")] = 32,
    pair: Annotated[
        tuple[str, str] | None, typer.Option("--diff", metavar="A B", help="Only what tells two cells apart.")
    ] = None,
) -> None:
    """The catalogue of cells: equations, parents, parameters, references."""
    from ablations.commands.catalogue import cell_rows, show_cells
    from ablations.commands.cell_diff import diff, show_diff

    _load(plugin)
    if pair:
        found = diff(*pair, inputs, hidden)
        print(json.dumps(found, indent=2, ensure_ascii=False)) if as_json else show_diff(found, out)
    else:
        rows = cell_rows(inputs, hidden)
        print(json.dumps(rows, indent=2, ensure_ascii=False)) if as_json else show_cells(rows, out)


@app.command()
def tasks(as_json: JsonOption = False, plugin: PluginOption = None) -> None:
    """The catalogue of tasks: what they ask for, what their lag means, when they count as solved."""
    from ablations.commands.catalogue import show_tasks, task_rows

    _load(plugin)
    rows = task_rows()
    print(json.dumps(rows, indent=2, ensure_ascii=False)) if as_json else show_tasks(rows, out)


@app.command()
def check(file: Annotated[Path, typer.Argument(metavar="FILE", help="A Python file with cells or tasks.")]) -> None:
    """Check the cells and tasks of a file: the contract that those of the catalogue keep."""
    from ablations.commands.check import check_file

    raise typer.Exit(0 if check_file(file, out) else 1)


def _load(files: list[Path] | None) -> None:
    """Make the cells and tasks of plug-ins known. Raises InputError."""
    if files:  # else nothing is imported for them
        from ablations.contract.plugins import load

        load(files)


def _sweep(study: Any, folder: Path, workers: int, engine: str, again: str) -> int:
    """Run a study's arms; the exit code: 0 done, 1 some arms failed, 130 interrupted. `again` is the command to go on."""
    from ablations import engines
    from ablations.commands.progress import Display
    from ablations.commands.sweep import sweep_study
    from ablations.sweeps.store import Store

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    ended = None
    try:
        engine_lines = engines.choose_all(engine, {choice.label: choice.build() for choice in study.cells})
        store = Store.create(folder)
        with store.sweeping():
            _say(f"{study.name}: {len(study.arms())} arms, {workers} workers")
            for line in engine_lines:
                _say(line)
            with Display(study, out) as display:
                ended = sweep_study(study, store, workers, engine, display)
        display.summary(ended)
    except KeyboardInterrupt:  # before there were workers to stop, or after
        pass
    if ended is None or any(arm.status == "interrupted" for arm in ended):
        _say(f"Interrupted; nothing is lost. Go on with:  {again}")
        return 130
    _say(f"Read it:     {_command('report', study.name, store=folder)}")
    _say(f"Browse it:   {_command('ui', store=folder)}")
    return 1 if any(arm.status == "failed" for arm in ended) else 0


def _say(line: str) -> None:
    """A line of plain text, never broken: it may hold a command to copy."""
    out.print(line, soft_wrap=True, highlight=False)


def _report(name: str, folder: Path, target: Path) -> None:
    """Read a study's tables out of the tracker, build the report from them, and store it on the study's run."""
    import tempfile

    from ablations.sweeps.store import Store
    from ablations.tracking.tracker import Tracker

    tracker = Tracker(Store.open(folder), name)
    with tempfile.TemporaryDirectory() as scratch:
        tracker.tables(Path(scratch))
        _build(Path(scratch), target)
    tracker.attach(target)


def _build(source: Path, target: Path) -> None:
    from reports.build import build
    from reports.tables import BadTable

    try:
        page = build(source, target)
    except BadTable as error:
        raise InputError(str(error)) from None
    except OSError as error:
        raise InputError(f"--out {target}: {error.strerror or error}") from None
    _say(f"Report:      {page}")


def _writable(folder: Path) -> None:
    """Find out before the work, not after it, that a folder cannot be written. Raises InputError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"--out {folder}: cannot be written to: {error.strerror}") from None
    if not os.access(folder, os.W_OK):
        raise InputError(f"--out {folder}: cannot be written to")


def _name(study: str) -> str:
    """A study's name in the store: what is given, or the `name` in the file that is given."""
    if not study.endswith(".toml"):
        return study
    from ablations.studies.study import load

    return load(study).name


def _command(*words: str, **options: Any) -> str:
    """A command to paste into a shell, with those options that are not as usual."""
    usual = {"store": DEFAULT_STORE, "workers": CORES, "engine": "auto", "out": DEMO_OUT}
    extras = [word for name, value in options.items() if value != usual[name] for word in (f"--{name}", str(value))]
    return shlex.join(["whygates", *words, *extras])


def _version(show: bool) -> None:
    if show:
        print(f"whygates {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """The command `whygates`."""
    try:
        app()
    except InputError as error:
        sys.exit(_refuse(str(error)))
    except Exception as error:  # a plug-in may raise anything, wherever it is called
        from ablations.contract.plugins import blame

        if blamed := blame(error):
            sys.exit(_refuse(blamed))
        raise


def _refuse(message: str) -> int:
    for line in message.splitlines():
        print(f"whygates: {line}", file=sys.stderr)
    return 2
