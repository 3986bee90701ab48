"""The connection of a store to MLflow, its studies, and the look-up of one member's run."""

import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from mlflow import MlflowClient
from mlflow.entities import Run, ViewType
from mlflow.exceptions import MlflowException

from ablations.errors import InputError
from ablations.sweeps.server import server
from ablations.sweeps.store import Store

logging.getLogger("mlflow.store.db.utils").setLevel(
    logging.CRITICAL
)  # its errors are one line here, without a traceback

WORKSPACES = "MLFLOW_ENABLE_WORKSPACES"
"""MLflow's variable. Only servers have workspaces: a database that is opened with them would refuse to be read."""


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
    if store.local:
        os.environ[WORKSPACES] = "false"
    if found := server():
        os.environ.update(found.login, MLFLOW_TRACKING_URI=found.address)
    with using(store):
        client = MlflowClient(store.tracking_uri, registry_uri=store.tracking_uri)
        if not client.search_experiments(ViewType.ALL, max_results=1):  # MLflow's own, Default, always exists
            raise MlflowException("it has no experiment, so it is not MLflow")
    return client


@contextmanager
def using(store: Store) -> Iterator[None]:
    """Raise InputError where MLflow fails in the block."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:  # also of the library of an artifact store, such as boto3
        what = f"the database {store.mlflow}" if store.local else f"the MLflow server at {store.tracking_uri}"
        reason = described(error).replace("<database_uri>", store.tracking_uri)  # of `mlflow db upgrade`
        raise InputError(f"{what} cannot be used: {reason}") from None


def experiments(store: Store) -> dict[str, str]:
    """Return the ids of the studies' experiments, by study name. Raises InputError as `connect` does."""
    client = connect(store)
    with using(store):
        names = {experiment.experiment_id: experiment.name for experiment in client.search_experiments()}
        # A server may have experiments of other projects.
        runs = client.search_runs([*names], "tags.kind = 'study'", max_results=10_000)
        return {names[run.info.experiment_id]: run.info.experiment_id for run in runs}


def find_member(store: Store, prefix: str) -> MemberRun:
    """Return the confirmed member whose run id or hash starts with `prefix`.

    Raises InputError unless exactly one run matches and it is a confirmed member that did not diverge.
    """
    with using(store):
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
    where = store.folder if store.local else store.tracking_uri
    raise InputError(f"run {prefix!r} is not in {where}; the UI shows run ids, results.csv has hashes")


def described(error: Exception) -> str:
    """The first line of an error's message, cut after 200 characters, with its type unless that is MLflow's or the system's."""
    lines = [
        line.strip() for line in str(error).splitlines() if not line.startswith("(raised as a result of Query-invoked")
    ]
    line = next(filter(None, lines), "")
    line = line if len(line) <= 200 else f"{line[:200]} …"
    if line and isinstance(error, MlflowException | OSError | ImportError):
        return line
    return f"{type(error).__name__}: {line}".removesuffix(": ")
