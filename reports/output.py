"""Writing into a folder: only files that whygates wrote there before are replaced or deleted; a list beside them names them."""

import json
import os
import shutil
import tempfile
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path, PurePosixPath

LIST = "whygates-files.json"
"""The file with the sorted relative paths of the files that whygates wrote into its folder."""


class Occupied(ValueError):
    """A folder with files that whygates did not write. The message is one sentence that names it and says what to do."""


def listed(folder: Path) -> list[str]:
    """The relative paths of the files that whygates wrote into a folder; none if it has no list.

    :raises Occupied: if the list is damaged, or names a file outside the folder.
    """
    path = folder / LIST
    if not os.path.lexists(path):
        return []
    try:
        names = None if path.is_symlink() else json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        names = None
    if not isinstance(names, list) or not all(isinstance(name, str) and _is_below(name) for name in names):
        raise Occupied(f"{folder}: {LIST} in it is damaged; name an empty or new folder")
    return names


def check(folder: Path, names: Iterable[str] = (), kept: Collection[str] = ()) -> None:
    """Check that files can be written into a folder: it is missing, empty, or has a list; hidden files do not count.

    :param names: the relative paths to be written; those that exist must be in the list.
    :param kept: files that are read from this folder and stay as they are; other files may then lie beside them.
    :raises Occupied: otherwise.
    """
    if not os.path.lexists(folder):
        return
    if not os.path.isdir(folder):
        raise Occupied(f"{folder}: it is not a folder; name an empty or new one")
    earlier = listed(folder)
    has_files = any(not path.name.startswith(".") for path in folder.iterdir())
    if has_files and not (kept or os.path.lexists(folder / LIST)):
        raise Occupied(
            f"{folder}: it has files, and no {LIST} that names those of an earlier report; name an empty or new folder"
        )
    for path in map(PurePosixPath, {*names, *earlier}):
        for parent in path.parents[:-1]:
            if os.path.lexists(folder / parent) and not _is_own_folder(folder / parent):
                raise Occupied(f"{folder}: {parent} in it is not a folder, or a link; name an empty or new folder")
        if _is_own_folder(folder / path):
            raise Occupied(f"{folder}: {path} in it is a folder; name an empty or new folder")
    for name in sorted({*names} - {*earlier} - {*kept}):
        if os.path.lexists(folder / name):
            raise Occupied(
                f"{folder}: {name} in it is not in {LIST}, and would be replaced; move it, or name an empty or new folder"
            )


def write(folder: Path, files: Mapping[str, str | bytes | Path], kept: Collection[str] = ()) -> None:
    """Write files into a folder, and delete those of the list that are not among them. No file is ever incomplete.

    :param files: the text, the bytes, or the path of a file to copy, by relative path.
    :param kept: files of this folder that stay as they are.
    :raises Occupied: before anything is written, as `check` does.
    """
    check(folder, files, kept)
    folder.mkdir(parents=True, exist_ok=True)
    earlier = {*listed(folder)}
    names = {*files} | (earlier & {*kept})
    with tempfile.TemporaryDirectory(prefix=".whygates-", dir=folder) as scratch:
        staged = Path(scratch)
        for name, content in files.items():
            (staged / name).parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, Path):
                shutil.copyfile(content, staged / name)
            elif isinstance(content, bytes):
                (staged / name).write_bytes(content)
            else:
                (staged / name).write_text(content, encoding="utf-8", newline="\n")

        def write_list(names: set[str]) -> None:
            (staged / LIST).write_text(json.dumps(sorted(names), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
            os.replace(staged / LIST, folder / LIST)

        write_list(earlier | names)  # before the files: if the process is killed, the next one may replace them
        for name in files:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            os.replace(staged / name, folder / name)
        for name in earlier - names:
            (folder / name).unlink(missing_ok=True)
        write_list(names)


def _is_own_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _is_below(name: str) -> bool:
    """Whether a listed path is one that stays below its folder."""
    path = PurePosixPath(name)
    return (
        str(path) == name not in (".", LIST) and not path.is_absolute() and ".." not in path.parts and "\0" not in name
    )
