"""The command line: parses arguments and dispatches to `ablations.commands`, which are imported when they are run."""

import json
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import typer
from rich.console import Console

from ablations import __version__
from ablations.commands import options as opt
from ablations.commands.environment import console, finish, is_unicode, prepare, unusable
from ablations.commands.invocation import CORES, DEMO_REPORT, REPORTS, STORE, shell_command
from ablations.errors import INTERRUPTED, InputError

app = typer.Typer(
    help="Why gates? Train recurrent cells and their ablations on long-lag tasks, and compare them statistically.\n\n"
    "Start with `whygates demo`: it takes a few minutes and writes a report.",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.command()
def demo(store: opt.StoreFolder = STORE, out: opt.Out = DEMO_REPORT, workers: opt.Workers = CORES) -> None:
    """Run the `smoke` study and write its report: a few minutes on a laptop."""
    from ablations.commands.demo import run_demo

    raise typer.Exit(run_demo(store, out, workers, console()))


@app.command()
def sweep(
    study: opt.StudyOrList = "",
    store: opt.StoreFolder = STORE,
    workers: opt.Workers = CORES,
    engine: opt.EngineName = "auto",
    plugin: opt.Plugins = None,
    changes: opt.Changes = None,
    only: opt.Only = None,
    dry_run: opt.DryRun = False,
) -> None:
    """Tune and confirm every arm of a study. The same command continues an interrupted sweep."""
    from ablations.commands.dry_run import print_plan
    from ablations.commands.only import select
    from ablations.commands.sweep import list_studies, run_sweep
    from ablations.studies.loading import load

    _load(plugin, complete=True)
    if not study:
        list_studies(console())
        return
    loaded = load(study, changes or [])
    arms = select(loaded, only or [])
    if dry_run:
        print_plan(loaded, arms, engine, workers, console())
        return
    options = {"plugin": plugin, "set": changes, "store": store, "workers": workers, "engine": engine}
    resume, whole = shell_command("sweep", study, only=only, **options), shell_command("sweep", study, **options)
    raise typer.Exit(run_sweep(loaded, arms, store, workers, engine, resume, console(), whole))


@app.command()
def status(
    study: opt.Study, store: opt.StoreFolder = STORE, plugin: opt.Plugins = None, as_json: opt.Json = False
) -> None:
    """Show the progress of a study: its arms, phase by phase."""
    from ablations.commands.status import show_status, study_status

    _load(plugin)
    current = study_status(opt.study_name(study), store)
    _print(current.arms, as_json, lambda _, out: show_status(current, out))


@app.command()
def report(
    studies: opt.Studies = None,
    store: opt.StoreFolder = STORE,
    out: opt.OutOrDefault = None,
    plugin: opt.Plugins = None,
    tables: opt.Tables = None,
    beside: opt.Beside = None,
) -> None:
    """Write the report of a study, or of several together: HTML, Markdown, verdicts, tables and figures."""
    from ablations.commands.report import rebuild_report, write_report

    if bool(studies) == bool(tables):
        raise InputError("report: give either a STUDY or --from TABLES")
    _load(plugin)
    if tables:
        rebuild_report(tables, [Path(folder) for folder in beside or []], out or REPORTS / "rebuilt", console())
    else:
        names = list(dict.fromkeys(opt.study_name(study) for study in studies or []))
        others = [opt.study_name(study) for study in beside or []]
        write_report(names, others, store, out or REPORTS / "+".join(names), console())


@app.command()
def inspect(
    run: opt.RunPrefix, store: opt.StoreFolder = STORE, out: opt.Out = REPORTS / "networks", plugin: opt.Plugins = None
) -> None:
    """Analyse one trained network: gradient flow, retention, gates, and a trace of one sequence."""
    from ablations.commands.inspect import inspect_member

    _load(plugin)
    inspect_member(run, store, out, console())


@app.command()
def ui(store: opt.StoreFolder = STORE, port: opt.Port = 5000) -> None:
    """Browse the runs in the MLflow UI, on this machine only."""
    from ablations.commands.ui import serve

    serve(store, port, console())


@app.command()
def cells(
    name: opt.CellName = "",
    as_json: opt.Json = False,
    plugin: opt.Plugins = None,
    inputs: opt.Inputs = 8,
    hidden: opt.Hidden = 32,
    pair: opt.CellPair = None,
) -> None:
    """List the cells: equations, parents, parameters, references."""
    from ablations.commands import catalogue, cell_diff

    if name and pair:
        raise InputError("cells: give either one CELL or --diff A B")
    _load(plugin)
    if pair:
        _print(cell_diff.diff(*pair, inputs, hidden), as_json, cell_diff.show_diff)
    elif name:
        _print(catalogue.cell_row(name, inputs, hidden), as_json, catalogue.show_cell)
    else:
        _print(catalogue.cell_rows(inputs, hidden), as_json, catalogue.show_cells)


@app.command()
def tasks(name: opt.TaskName = "", as_json: opt.Json = False, plugin: opt.Plugins = None) -> None:
    """List the tasks: definitions, lags, and when a network has solved them."""
    from ablations.commands import catalogue

    _load(plugin)
    if name:
        _print(catalogue.task_row(name), as_json, catalogue.show_task)
    else:
        _print(catalogue.task_rows(), as_json, catalogue.show_tasks)


@app.command()
def check(file: opt.PluginFile) -> None:
    """Check the cells and tasks of a file against the contract that the built-in ones fulfil."""
    from ablations.commands.check import check_file

    raise typer.Exit(0 if check_file(file, console()) else 1)


def _print(data: Any, as_json: bool, show: Callable[[Any, Console], None]) -> None:
    print(json.dumps(data, indent=2, ensure_ascii=not is_unicode())) if as_json else show(data, console())


def _load(files: list[Path] | None, complete: bool = False) -> None:
    """Register the cells and tasks of plug-ins (see `plugins.load`)."""
    if files:  # otherwise the import is not needed
        from ablations.contract.plugins import load

        load(files, complete)


@app.callback(invoke_without_command=True)
def _print_version(version: opt.Version = False) -> None:
    if version:
        print(f"whygates {__version__}")
        raise typer.Exit


def run(arguments: list[str]) -> int:
    """Run a command and return the exit code. Invalid input is reported on stderr, one line per problem, with code 2."""
    try:
        return app(arguments or ["--help"], prog_name="whygates", standalone_mode=False) or 0
    except typer.TyperException as error:  # invalid arguments
        message = error.format_message().replace("Value error, ", "")  # a prefix of pydantic's messages
    except InputError as error:
        message = str(error)
    except Exception as error:  # a plug-in may raise anything, wherever it is called
        from ablations.contract.plugins import plugin_error_message

        message = plugin_error_message(error) or unusable(error)
        if not message:
            raise
    except KeyboardInterrupt:  # sweeps handle it themselves
        return INTERRUPTED
    for line in message.splitlines():
        print(f"whygates: {line}", file=sys.stderr)
    return 2


def main() -> None:
    """The entry point of `whygates`."""
    output = prepare()
    code = finish(output, run(sys.argv[1:]))
    if code == INTERRUPTED and any(not thread.daemon for thread in threading.enumerate()[1:]):
        os._exit(code)  # a thread in which a cell hangs would keep the process
    sys.exit(code)
