"""`whygates report`: build a study's report from the tracker, or rebuild it from tables."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from ablations.commands.status import tracked_status
from ablations.errors import InputError
from ablations.sweeps.store import Store
from ablations.tracking.runs import described, using
from ablations.tracking.tracker import Tracker
from reports import output
from reports.build import build
from reports.tables import BadTable


def write_report(study: str, store: Path, target: Path, out: Console) -> None:
    """Build the report of a study in `target` and attach it to the study's MLflow run. Raises InputError."""
    with writing(target):
        output.check(target)
    opened = Store.open(store)
    with tempfile.TemporaryDirectory() as tables:
        with using(opened):
            tracker = Tracker(opened, study)
            tracker.write_tables(Path(tables))
        rebuild_report(Path(tables), target, out)
    try:
        tracker.log_report(target)
    except Exception as error:  # the library of an artifact store, such as boto3, may raise anything
        out.print(f"It could not be attached to the study's run in MLflow: {described(error)}", soft_wrap=True)
    for line in tracked_status(tracker).problems:
        out.print(line, soft_wrap=True)


def rebuild_report(source: Path, target: Path, out: Console) -> None:
    """Build a report in `target` from a folder of tables or a single results.csv. Raises InputError."""
    with writing(target):
        page = build(source, target)
    out.print(f"Written:     {page}", soft_wrap=True)


def create_folder(folder: Path) -> None:
    """Create the folder of a report, so that one that cannot be written is refused before the work. Raises InputError."""
    with writing(folder):
        output.check(folder)
        folder.mkdir(parents=True, exist_ok=True)


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Raise InputError where the block cannot write to a folder given as --out, or reads an invalid table."""
    try:
        yield
    except BadTable as error:
        raise InputError(str(error)) from None
    except output.Occupied as error:
        raise InputError(f"--out {error}") from None
    except OSError as error:
        raise InputError(f"--out {folder}: cannot be written to: {error.strerror or error}") from None
