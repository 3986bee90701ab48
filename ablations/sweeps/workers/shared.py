"""Checkpoints of populations in a folder that all nodes of a cluster reach: any address of fsspec, such as s3://bucket/folder.

A job trains one population of an arm: a round of its searches, the rerank or the confirmation. Its checkpoint is the file
`<hash of the arm>-<name of the job>.pt`.
"""

from contextlib import suppress

import fsspec

from ablations.errors import InputError, first_line


def check(folder: str) -> None:
    """Create a folder unless it exists. Raises InputError if it cannot be used."""
    try:
        system, path = fsspec.url_to_fs(folder)
        system.makedirs(path, exist_ok=True)
    except Exception as error:  # the library of a file system, such as s3fs, may raise anything
        raise InputError(f"--shared {folder}: cannot be used: {first_line(error)}") from None


def read(folder: str, arm: str, name: str) -> bytes | None:
    """The checkpoint of a job of an arm; None if there is none."""
    system, path = fsspec.url_to_fs(_address(folder, arm, name))
    try:
        return system.cat_file(path)
    except FileNotFoundError:
        return None


def write(folder: str, arm: str, name: str, content: bytes) -> None:
    """Replace the checkpoint of a job of an arm, atomically."""
    system, path = fsspec.url_to_fs(_address(folder, arm, name))
    with system.transaction, system.open(path, "wb") as file:
        file.write(content)


def remove(folder: str, arm: str) -> None:
    """Remove the checkpoints of an arm, if any."""
    if folder:
        system, path = fsspec.url_to_fs(_address(folder, arm, "*"))
        with suppress(FileNotFoundError):
            for found in system.glob(path):
                system.rm_file(found)


def _address(folder: str, arm: str, name: str) -> str:
    return f"{folder.rstrip('/')}/{arm}-{name}.pt"
