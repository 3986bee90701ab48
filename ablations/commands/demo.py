"""`whygates demo`: run the `smoke` study and write its report."""

from pathlib import Path

from rich.console import Console

from ablations.commands.invocation import DEMO, shell_command
from ablations.commands.report import create_folder, write_report
from ablations.commands.sweep import INTERRUPTED, run_sweep
from ablations.studies.loading import load


def run_demo(store: Path, target: Path, workers: int, open_browser: bool, out: Console) -> int:
    """Sweep `smoke` and write its report to `target`; returns the exit code of the sweep. Raises InputError."""
    create_folder(target)
    resume = shell_command("demo", store=store, out=target, workers=workers)
    study = load(DEMO)
    code = run_sweep(study, study.arms(), store, workers, "auto", resume, out)
    if code != INTERRUPTED:
        write_report([DEMO], [], store, target, open_browser, out)
    return code
