"""The lock of a study on a PostgreSQL server."""

import os
from collections.abc import Iterator

import pytest

from ablations.errors import InputError
from ablations.sweeps.server_lock import locked
from tests.ablations.servers import Postgres, postgres


@pytest.fixture(scope="module")
def database() -> Iterator[Postgres]:
    with postgres() as server:
        yield server


def test_a_second_sweep_of_a_study_is_refused_by_name(database: Postgres) -> None:
    url = database.create("refused")
    with locked(url, "mine"):
        found = rf"another sweep of mine .* \(process {os.getpid()} on .*, since \d{{4}}-.*\); wait for it with --wait"
        with pytest.raises(InputError, match=found), locked(url, "mine"):
            pass
        with locked(url, "yours"):
            pass
    with locked(url, "mine"):
        pass


def test_the_lock_of_a_connection_that_was_cut_is_released(database: Postgres) -> None:
    url = database.create("cut")
    with locked(url, "mine"):
        database.stop()
        database.start()
        with locked(url, "mine", wait=True):
            pass


def test_a_database_in_a_file_needs_no_lock_as_the_store_has_one() -> None:
    with locked("", "mine"), locked("", "mine"):
        pass
