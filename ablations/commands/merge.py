"""`whygates merge`: copy the networks of other stores, such as one of a machine without a shared disk."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from ablations.errors import InputError
from ablations.sweeps.store import Store, atomic_file
from reports.format import count


def merge(sources: Sequence[Path], folder: Path, out: Console) -> None:
    """Copy the finished networks that this store lacks, by content hash: results, weights and findings of probes.

    They belong to no study until the next sweep needs them: it finds them and trains nothing again. Raises InputError.
    """
    stores = [Store.open(source) for source in sources]
    target = Store.create(folder)
    for source in stores:
        if source.folder == target.folder:
            raise InputError(f"merge {source.folder}: it is the store to merge into")
    with target.sweeping():
        for source in stores:
            with out.status(f"reading {source.folder}") as status:
                members = [path.stem for path in sorted(source.members.glob("[!.]*.json"))]
                wanted = [member for member in members if source.get(member) and not target.get(member)]
                for number, member in enumerate(wanted, 1):
                    status.update(f"copying networks of {source.folder} ({number:,} of {len(wanted):,})")
                    _copy(source, target, member)
            out.print(
                f"{source.folder}: {count(len(wanted), 'network')} copied, {len(members) - len(wanted)} left out, as they "
                "are here already or damaged",
                soft_wrap=True,
            )
    out.print("The sweep of a study that has them uploads them, and does not train them again.", soft_wrap=True)


def _copy(source: Store, target: Store, member: str) -> None:
    """Copy the files of a member."""
    for original, path in zip(source.files(member), target.files(member), strict=True):
        if not original.is_file():
            continue
        try:
            with atomic_file(path) as scratch:
                shutil.copyfile(original, scratch)
        except OSError as error:
            raise InputError(
                f"--store {target.folder}: {path.name} cannot be written: {error.strerror}; what was copied is complete, and the "
                "same command continues"
            ) from None
