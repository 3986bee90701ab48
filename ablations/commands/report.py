"""`whygates report`: build a study's report from the tracker, or rebuild it from tables."""

import tempfile
from pathlib import Path

from rich.console import Console

from ablations.commands.status import study_status
from ablations.errors import InputError
from ablations.sweeps.store import Store
from ablations.tracking.tracker import Tracker
from reports.build import build
from reports.tables import BadTable


def write_report(study: str, store: Path, target: Path, out: Console) -> None:
    """Build the report of a study in `target` and attach it to the study's MLflow run. Raises InputError."""
    tracker = Tracker(Store.open(store), study)
    with tempfile.TemporaryDirectory() as tables:
        tracker.tables(Path(tables))
        rebuild_report(Path(tables), target, out)
    tracker.attach(target)
    for line in study_status(study, store).problems:
        out.print(line, soft_wrap=True)


def rebuild_report(source: Path, target: Path, out: Console) -> None:
    """Build a report in `target` from a folder of tables or a single results.csv. Raises InputError."""
    try:
        page = build(source, target)
    except BadTable as error:
        raise InputError(str(error)) from None
    except OSError as error:
        raise InputError(f"--out {target}: {error.strerror or error}") from None
    out.print(f"Report:      {page}", soft_wrap=True)


def create_folder(folder: Path) -> None:
    """Create the folder of a report, so that a path that cannot be written is refused before the work. Raises InputError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"--out {folder}: cannot be written to: {error.strerror}") from None
