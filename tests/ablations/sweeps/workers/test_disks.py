"""Sweeps whose disk is full, has no more inodes, or becomes read-only stop with one sentence, and continue to the same table."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.ablations.cli_process import TINY
from tests.ablations.sweeps.workers.undisturbed import MEMBERS, assert_undisturbed, finished, start, wait_for_members

pytestmark = pytest.mark.faults


class Disk:
    """An ext4 file system in a file, which becomes read-only at its first error, as those of servers do."""

    def __init__(self, image: Path, folder: Path) -> None:
        self.image, self.folder = image, folder
        self.device = ""

    def mount(self) -> None:
        _run("mount", "-o", "loop,errors=remount-ro", self.image, self.folder)
        self.device = _run("findmnt", "--noheadings", "--output", "SOURCE", self.folder).strip()

    def fill(self) -> None:
        """Leave no space."""
        with suppress(OSError), open(self.folder / "filler", "wb", buffering=0) as file:
            while True:
                file.write(b"x" * 4096)

    def fill_inodes(self) -> None:
        """Leave space, and no inodes for new files."""
        (self.folder / "fillers").mkdir()
        with suppress(OSError):
            for number in range(100_000):
                (self.folder / "fillers" / str(number)).touch()

    def fail(self) -> None:
        """Cause an error of the file system."""
        Path("/sys/fs/ext4", Path(self.device).name, "trigger_fs_error").write_text("test")

    def repair(self) -> None:
        _run("umount", self.folder)
        subprocess.run(["e2fsck", "-fy", self.image], capture_output=True, check=False)
        self.mount()


def _run(*command: str | Path) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    image, folder = tmp_path / "disk.img", tmp_path / "disk"
    image.touch()
    os.truncate(image, 64 * 2**20)
    folder.mkdir()
    disk = Disk(image, folder)
    try:
        _run("mkfs.ext4", "-q", "-N", "2000", image)
        disk.mount()
    except (OSError, subprocess.CalledProcessError) as error:
        # Not skipped: `nox -s faults` must not write its table without these faults.
        pytest.fail(f"a file system in a file cannot be mounted here, which needs root and loop devices: {error}")
    yield disk
    _run("umount", "--lazy", folder)  # this process may have a database of the store open


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store of a sweep whose disk has no fault."""
    folder = tmp_path_factory.mktemp("undisturbed")
    (folder / "tiny.toml").write_text(TINY)
    done = start(folder, "store")
    output, errors = done.communicate(timeout=600)
    assert done.returncode == 0, output + errors
    return folder / "store"


@pytest.mark.parametrize("fault", ["full", "no inodes", "read-only"])
def test_a_disk_that_cannot_be_written_stops_the_sweep_which_then_continues(
    disk: Disk, undisturbed: Path, tiny: Path, fault: str, tried: Callable[..., None]
) -> None:
    shutil.copytree(undisturbed, tiny / "undisturbed")
    (tiny / "disturbed").symlink_to(disk.folder / "store")
    process = start(tiny, "disk/store")
    wait_for_members(disk.folder / "store", 1, process)
    {"full": disk.fill, "no inodes": disk.fill_inodes, "read-only": disk.fail}[fault]()
    output, errors = process.communicate(timeout=600)
    assert process.returncode == 2, output + errors
    assert finished(disk.folder / "store") < MEMBERS, "the fault came too late to test anything"
    (line,) = errors.splitlines()
    reason = "Read-only file system" if fault == "read-only" else "No space left on device"
    assert f"{reason}: nothing that was saved is lost" in line or "the database of the searches failed" in line
    if fault == "read-only":
        disk.repair()
    else:
        _run("rm", "-r", *disk.folder.glob("filler*"))
    done = start(tiny, "disk/store")
    output, errors = done.communicate(timeout=600)
    assert done.returncode == 0, output + errors
    faults = {"full": "disk full", "no inodes": "no inodes left", "read-only": "error of the disk, read-only since"}
    tried(faults[fault], 1, *assert_undisturbed(tiny))
