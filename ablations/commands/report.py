"""`whygates report`: build a study's report from the tracker, or rebuild it from tables."""

import json
import tempfile
import webbrowser
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from ablations.commands.status import tracked_status
from ablations.errors import InputError
from ablations.sweeps.store import Store
from ablations.tracking.runs import described, using
from ablations.tracking.tracker import Tracker
from reports import output
from reports.build import build, robustness_of
from reports.join import join
from reports.tables import BadTable
from reports.text.sentences import tally


def write_report(
    studies: Sequence[str], beside: Sequence[str], store: Path, target: Path, open_browser: bool, out: Console
) -> None:
    """Build the report of studies in `target`, with robustness studies beside them, and attach it to their MLflow runs.

    Raises InputError.
    """
    with writing(target):
        output.check(target)
    opened = Store.open(store)
    with tempfile.TemporaryDirectory() as tables:
        with out.status("reading the runs"):
            trackers = {name: _exported(name, opened, Path(tables)) for name in dict.fromkeys([*studies, *beside])}
        folders, others = ([Path(tables, name) for name in names] for names in (studies, beside))
        page = _build(folders, others, target, out)
    for tracker in (trackers[name] for name in studies):
        try:
            with out.status("attaching the report to its run in MLflow"):
                tracker.log_report(target)
        except Exception as error:  # the library of an artifact store, such as boto3, may raise anything
            out.print(f"It could not be attached to the study's run in MLflow: {described(error)}", soft_wrap=True)
        for line in tracked_status(tracker).problems:
            out.print(line, soft_wrap=True)
    _announce(page, open_browser, out)


def _exported(study: str, store: Store, folder: Path) -> Tracker:
    """Write the tables of a study into a folder of its name; returns its tracker."""
    (folder / study).mkdir()
    with using(store):
        tracker = Tracker(store, study)
        tracker.write_tables(folder / study)
    return tracker


def rebuild_report(
    sources: Sequence[Path], beside: Sequence[Path], target: Path, open_browser: bool, out: Console
) -> None:
    """Build a report in `target` from a folder of tables or a single results.csv, or from several folders together.

    :param beside: folders with the tables of robustness studies.

    Raises InputError.
    """
    _announce(_build(sources, beside, target, out), open_browser, out)


def _build(sources: Sequence[Path], beside: Sequence[Path], target: Path, out: Console) -> Path:
    with out.status("writing the report"), writing(target), tempfile.TemporaryDirectory() as together:
        if len(sources) > 1:
            join(sources, Path(together))
        source = sources[0] if len(sources) == 1 else Path(together)
        others = {name: path for folder in sources for name, path in robustness_of(folder).items()}
        return build(source, target, others | {folder.resolve().name: folder for folder in beside})


def _announce(page: Path, open_browser: bool, out: Console) -> None:
    """Print the number of claims with each verdict, and the address of the page."""
    verdicts = json.loads((page.parent / "verdicts.json").read_text(encoding="utf-8"))
    address = page.absolute().as_uri()
    out.print(f"Verdicts:    {tally([verdict['verdict'] for verdict in verdicts])}", soft_wrap=True)
    out.print(f"Written:     {address}", soft_wrap=True)
    if open_browser:
        webbrowser.open(address)


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
