"""The command line: parses arguments and dispatches to `ablations.commands`, which are imported when they are run."""

from pathlib import Path

import typer

from ablations import __version__
from ablations.commands import options as opt
from ablations.commands.environment import console, loading, print_data
from ablations.commands.invocation import CORES, DEMO_REPORT, REPORTS, STORE, shell_command
from ablations.errors import InputError
from ablations.sweeps.server import masked

app = typer.Typer(
    help="Why gates? Train recurrent cells and their ablations on long-lag tasks, and compare them statistically.\n\n"
    "Start with `whygates demo`: it takes a few minutes and writes a report.",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.command()
def demo(
    store: opt.StoreFolder = STORE, out: opt.Out = DEMO_REPORT, workers: opt.Workers = CORES, browse: opt.Open = False
) -> None:
    """Run the `smoke` study and write its report: a few minutes on a laptop."""
    with loading():
        from ablations.commands.demo import run_demo
    raise typer.Exit(run_demo(store, out, workers, browse, console()))


@app.command()
def sweep(
    study: opt.StudyOrList = "",
    store: opt.StoreFolder = STORE,
    workers: opt.SweepWorkers = None,
    engine: opt.EngineName = "auto",
    device: opt.DeviceName = "auto",
    plugin: opt.Plugins = None,
    changes: opt.Changes = None,
    only: opt.Only = None,
    dry_run: opt.DryRun = False,
    wait: opt.Wait = False,
    optuna_storage: opt.OptunaStorage = "",
    ray: opt.Ray = "",
    shared: opt.Shared = "",
) -> None:
    """Tune and confirm every arm of a study. The same command continues an interrupted sweep."""
    with loading():
        from ablations.commands.dry_run import print_plan
        from ablations.commands.only import select
        from ablations.commands.presets import list_presets
        from ablations.commands.sweep import run_sweep
        from ablations.engines.device import choose_device
        from ablations.studies.loading import load
    torch_device = choose_device("cpu" if ray and device == "auto" else device)
    opt.load_plugins(plugin, complete=True)
    if not study:
        return list_presets(console())
    arms = select(loaded := load(study, changes or []), only or [])
    if dry_run:
        return print_plan(loaded, arms, engine, workers, console(), torch_device)
    options = {"plugin": plugin, "set": changes, "store": store, "workers": workers, "engine": engine, "device": device}
    options |= {"optuna-storage": masked(optuna_storage), "ray": ray, "shared": shared}
    resume, whole = shell_command("sweep", study, only=only, **options), shell_command("sweep", study, **options)
    where = (optuna_storage, ray, shared, torch_device)
    raise typer.Exit(run_sweep(loaded, arms, store, workers, engine, resume, console(), whole, wait, *where))


@app.command()
def status(
    study: opt.StudyOfStore = "", store: opt.StoreFolder = STORE, plugin: opt.Plugins = None, as_json: opt.Json = False
) -> None:
    """Show the progress of a study: its arms, phase by phase. Without a study: all studies of the store."""
    with loading():
        from ablations.commands.status import all_studies, show_status, show_studies, study_status
    opt.load_plugins(plugin)
    if study:
        current = study_status(opt.study_name(study), store, console())
        print_data(current.arms, as_json, lambda _, out: show_status(current, out))
    else:
        print_data(all_studies(store, console()), as_json, show_studies)


@app.command()
def report(
    studies: opt.Studies = None,
    store: opt.StoreFolder = STORE,
    out: opt.OutOrDefault = None,
    plugin: opt.Plugins = None,
    tables: opt.Tables = None,
    beside: opt.Beside = None,
    browse: opt.Open = False,
) -> None:
    """Write the report of a study, or of several together: HTML, Markdown, verdicts, tables and figures."""
    with loading():
        from ablations.commands.report import rebuild_report, write_report
    if bool(studies) == bool(tables):
        raise InputError("report: give either a STUDY or --from TABLES")
    opt.load_plugins(plugin)
    if tables:
        others = [Path(folder) for folder in beside or []]
        return rebuild_report(tables, others, out or REPORTS / "rebuilt", browse, console())
    names, others = (list(dict.fromkeys(opt.study_name(study) for study in group or [])) for group in (studies, beside))
    return write_report(names, others, store, out or REPORTS / "+".join(names), browse, console())


@app.command()
def inspect(
    run: opt.RunPrefix, store: opt.StoreFolder = STORE, out: opt.Out = REPORTS / "networks", plugin: opt.Plugins = None
) -> None:
    """Analyse one trained network: gradient flow, retention, gates, and a trace of one sequence."""
    with loading():
        from ablations.commands.inspect import inspect_member
    opt.load_plugins(plugin)
    inspect_member(run, store, out, console())


@app.command()
def ui(store: opt.StoreFolder = STORE, port: opt.Port = None, open: opt.Open = False) -> None:
    """Browse the runs in the MLflow UI, on this machine only."""
    with loading():
        from ablations.commands.ui import serve
    serve(store, port, open, console())


@app.command()
def export(
    study: opt.Study, out: opt.OutFile, store: opt.StoreFolder = STORE, table: opt.TableName = "members"
) -> None:
    """Write a table of a study to a CSV or Parquet file: confirmed members, tuning trials, or learning curves."""
    with loading():
        from ablations.commands.export import export as write
    write(opt.study_name(study), store, out, table, console())


@app.command()
def merge(stores: opt.Sources, store: opt.StoreFolder = STORE) -> None:
    """Copy the networks of other stores, so that a sweep does not train them again."""
    with loading():
        from ablations.commands.merge import merge as copy
    copy(stores, store, console())


@app.command("rm")
def remove(study: opt.Study, store: opt.StoreFolder = STORE, yes: opt.Yes = False, plugin: opt.Plugins = None) -> None:
    """Remove a study from the store, and the networks that no other study has."""
    with loading():
        from ablations.commands.remove import remove as delete
    opt.load_plugins(plugin)
    delete(opt.study_name(study), store, yes, console())


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
    with loading():
        from ablations.commands import catalogue, cell_diff
    if name and pair:
        raise InputError("cells: give either one CELL or --diff A B")
    opt.load_plugins(plugin)
    if pair:
        print_data(cell_diff.diff(*pair, inputs, hidden), as_json, cell_diff.show_diff)
    elif name:
        print_data(catalogue.cell_row(name, inputs, hidden), as_json, catalogue.show_cell)
    else:
        print_data(catalogue.cell_rows(inputs, hidden), as_json, catalogue.show_cells)


@app.command()
def tasks(name: opt.TaskName = "", as_json: opt.Json = False, plugin: opt.Plugins = None) -> None:
    """List the tasks: definitions, lags, and when a network has solved them."""
    with loading():
        from ablations.commands import catalogue
    opt.load_plugins(plugin)
    show = catalogue.show_task if name else catalogue.show_tasks
    print_data(catalogue.task_row(name) if name else catalogue.task_rows(), as_json, show)


@app.command()
def check(file: opt.PluginFile) -> None:
    """Check the cells and tasks of a file against the contract that the built-in ones fulfil."""
    with loading():
        from ablations.commands.check import check_file
    raise typer.Exit(0 if check_file(file, console()) else 1)


@app.callback(invoke_without_command=True)
def _print_version(version: opt.Version = False) -> None:
    if version:
        print(f"whygates {__version__}")
        raise typer.Exit
