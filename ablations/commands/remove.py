"""`whygates rm`: remove a study from the store, and the networks that no other study has."""

import shutil
import sys
from pathlib import Path

import typer
from pydantic import ValidationError
from rich.console import Console

from ablations.errors import InputError
from ablations.studies.study import Arm, Study
from ablations.sweeps.search import delete_searches, storage
from ablations.sweeps.store import Store
from ablations.tracking.runs import experiments, using
from ablations.tracking.tracked import TrackedStudy
from ablations.tracking.tracker import Tracker
from reports.format import count


def remove(study: str, folder: Path, yes: bool, out: Console) -> None:
    """Delete a study's runs, queue and searches, and the results, weights and findings of its own networks.

    If it is interrupted, the same command continues. Raises InputError.
    """
    store = Store.open(folder)
    with store.sweeping():
        with out.status("reading the runs"), using(store):
            tracker = Tracker(store, study)
            mine = tracker.hashes()
            others = [TrackedStudy(store, other) for other in experiments(store) if other != study]
            shared = set[str]().union(*(other.hashes() for other in others))
        own = mine - shared
        out.print(
            f"{study}: {count(len(mine), 'network')}, {len(own)} of them in no other study of {store.folder}.",
            soft_wrap=True,
        )
        kept = [_arms(other) for other in others]
        removed = _arms(tracker)
        known = removed is not None and None not in kept  # a study that is not known may share any search
        if not known:
            out.print(
                "Its Optuna searches will stay, as the cells of a study of this store cannot be built: to remove them too, name the "
                "files of its plug-ins with --plugin.",
                soft_wrap=True,
            )
        _confirm(yes)
        with out.status("removing"):
            for member in sorted(own):
                for path in reversed(store.files(member)):  # the result first: without it, the others are not used
                    path.unlink(missing_ok=True)
            shutil.rmtree(store.spool / study, ignore_errors=True)
            shared_arms = [arm for arms in kept for arm in arms or ()]
            searches = delete_searches(removed, shared_arms, storage(store)) if removed and known else 0
            with using(store):
                tracker.delete()
    out.print(f"Removed {study}: {count(len(own), 'network')}, {count(searches, 'search', 'searches')}.")


def _confirm(yes: bool) -> None:
    if not yes and not sys.stdin.isatty():
        raise InputError("rm: nothing was removed; add --yes to remove it without confirmation")
    if not yes and not typer.confirm("Remove it?"):
        raise typer.Exit(1)


def _arms(tracker: TrackedStudy) -> list[Arm] | None:
    """The arms of a study; None if its cells cannot be built here, as those of plug-ins that were not named."""
    try:
        return Study.model_validate(tracker.manifest()["definition"]).arms()
    except (ValidationError, InputError, KeyError):
        return None
