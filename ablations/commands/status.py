"""`whygates status`: the progress of a study, arm by arm."""

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from ablations.sweeps.store import Store
from ablations.tracking.runs import using
from ablations.tracking.tracker import Tracker
from reports.format import duration


def arm_states(study: str, folder: Path) -> tuple[list[dict[str, Any]], bool | None]:
    """Return the arms of a study with their state and the counts of each phase, and whether a sweep is running: None where
    only another store knows.

    Raises InputError when the study was never swept in this store.
    """
    store = Store.open(folder)
    with using(store):
        tracker = Tracker(store, study)
        arms = tracker.status(tracker.manifest())
    swept_here = store.local or (store.spool / study).is_dir()
    running = store.busy if swept_here else None
    for arm in arms:
        if arm["state"] == "running" and running is False:  # its sweep was killed before it could update the run
            arm["state"] = "interrupted"
    return arms, running


def show_status(arms: list[dict[str, Any]], running: bool | None, out: Console) -> None:
    """Print the arms as a table, the total, and an estimate of the remaining time."""
    table = Table()
    for column in ("cell", "task", "lag", "size", "tuned", "confirmed", "probed", "solved", "diverged", "state"):
        right = column in ("lag", "size", "probed", "solved", "diverged")
        table.add_column(column, justify="right" if right else "left", overflow="fold")
    for arm in arms:
        tune, confirm = arm["tune"], arm["confirm"]
        table.add_row(
            arm["cell"], arm["task"], str(arm["lag"]), str(arm["size"]),
            f"{tune['done']}/{tune['of']}", f"{confirm['done']}/{confirm['of']}", str(confirm["probed"]),
            f"{confirm['solved']}/{confirm['done']}", str(tune["diverged"] + confirm["diverged"]), arm["state"],
        )  # fmt: skip
    out.print(table)
    phases = [arm[phase] for arm in arms for phase in ("tune", "confirm")]
    done, total = sum(phase["done"] for phase in phases), sum(phase["of"] for phase in phases)
    remaining, sweep = "", "" if running is None else f"; {'a' if running else 'no'} sweep is running"
    if 0 < done < total:
        seconds = sum(phase["seconds"] for phase in phases) / done * (total - done)
        remaining = f", about {duration(seconds)} remaining on one core"
    out.print(f"{done} of {total} members finished{remaining}{sweep}")
