"""The connection of a store to MLflow, its studies, and the look-up of one member's run."""

import re
from typing import NamedTuple

from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from ablations.errors import InputError
from ablations.sweeps.store import Store


class MemberRun(NamedTuple):
    """A member's run."""

    id: str
    hash: str
    """The member's content hash."""
    solved: bool


def connect(store: Store) -> MlflowClient:
    """Return a client of the store's tracker. Raises InputError when a local store has no runs yet, or the server cannot
    be used."""
    if store.local and not store.mlflow.exists():
        raise InputError(f"--store {store.folder}: no study was swept into this store yet")
    try:
        client = MlflowClient(store.tracking_uri)
        client.search_experiments(max_results=1)
    except (MlflowException, OSError, ImportError) as error:
        problem = f"the MLflow server at {store.tracking_uri} cannot be used: {first_line(error)}"
        raise InputError(f"{problem} (MLFLOW_TRACKING_URI names an http or https address)") from None
    return client


def experiments(store: Store) -> dict[str, str]:
    """Return the ids of the studies' experiments, by study name. Raises InputError as `connect` does."""
    return {e.name: e.experiment_id for e in connect(store).search_experiments() if e.name != "Default"}


def find_member(store: Store, prefix: str) -> MemberRun:
    """Return the confirmed member whose run id or hash starts with `prefix`.

    Raises InputError unless exactly one run matches and it is a confirmed member that did not diverge.
    """
    run = _find_run(store, prefix)
    tags = run.data.tags
    if tags.get("kind") != "member":
        kind = "an arm" if tags.get("kind") == "arm" else "a study"
        raise InputError(f"run {prefix!r} is the run of {kind}; give the run of a confirmed member")
    if tags["phase"] != "confirm":
        raise InputError(f"run {prefix!r} is a tuning trial; only confirmed members have saved weights")
    if tags["status"] == "diverged":
        raise InputError(f"run {prefix!r} diverged; diverged members have no saved weights")
    return MemberRun(run.info.run_id, tags["hash"], tags["status"] == "solved")


def _find_run(store: Store, prefix: str) -> Run:
    """The only run whose id, or whose member's hash, starts with `prefix`."""
    client = connect(store)
    runs: dict[str, Run] = {}
    if re.fullmatch("[0-9a-f]+", prefix):
        ids = [experiment.experiment_id for experiment in client.search_experiments()]
        for condition in (f"attributes.run_id LIKE '{prefix}%'", f"tags.hash LIKE '{prefix}%'"):
            page = client.search_runs(ids, condition, max_results=1000)
            runs |= {run.data.tags.get("hash", run.info.run_id): run for run in page}
    if len(runs) == 1:
        return next(iter(runs.values()))
    if runs:
        listed = ", ".join(sorted(runs)[:5]) + ", ..." * (len(runs) > 5)
        raise InputError(f"run {prefix!r} is ambiguous: {len(runs)} runs start with it: {listed}")
    raise InputError(f"run {prefix!r} is not in {store.folder}; the UI shows run ids, results.csv has hashes")


def first_line(error: Exception) -> str:
    """The first line of an error's message, at most 200 characters; the name of its type if it has no message."""
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
