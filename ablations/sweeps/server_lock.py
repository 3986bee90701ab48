"""A lock of a study on a PostgreSQL server: two sweeps of one study, with a store each, would ask for the same trials."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from ablations.errors import InputError
from ablations.studies.hashing import digest

HOLDER = """
select application_name, to_char(backend_start, 'YYYY-MM-DD HH24:MI:SS') from pg_stat_activity join pg_locks using (pid)
where locktype = 'advisory' and granted and (classid::bigint << 32) + objid::bigint = :key
"""


@contextmanager
def locked(url: str, study: str, wait: bool = False) -> Iterator[None]:
    """Lock a study whose searches are in the PostgreSQL database at `url`; no other database has such locks.

    PostgreSQL releases the lock when the connection ends, also that of a process or a machine that died.

    :param wait: wait for the sweep that holds it.
    :raises InputError: if another sweep holds it.
    """
    if not url.startswith("postgresql"):
        yield
        return
    name = {"application_name": f"process {os.getpid()} on {socket.gethostname()}"}
    engine = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT", connect_args=name)
    key = {"key": int(digest("sweep", study)[:15], 16)}
    connection = engine.connect()
    try:
        if wait:
            connection.execute(text("select pg_advisory_lock(:key)"), key)
        elif not connection.scalar(text("select pg_try_advisory_lock(:key)"), key):
            holder = connection.execute(text(HOLDER), key).first()
            described = f" ({holder[0]}, since {holder[1]})" if holder else ""
            raise InputError(
                f"--optuna-storage: another sweep of {study} is using this database{described}; wait for it with --wait"
            )
        yield
    finally:
        connection.invalidate()  # no rollback, which fails where the server was restarted
        connection.close()
