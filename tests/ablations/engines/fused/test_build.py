"""Kernels are compiled once and cached; failures of the compiler and of the cache are handled."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ablations.cells import catalogue
from ablations.engines import choose
from ablations.engines.fused import build, run
from ablations.engines.fused.linear import library
from ablations.errors import InputError


@pytest.fixture
def cache(monkeypatch, tmp_path):
    """The folder of an empty cache of kernels; none are loaded in this process."""
    monkeypatch.setenv("WHYGATES_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(run, "_kernels", {})
    library.cache_clear()
    build.compiler.cache_clear()
    yield tmp_path / "cache" / "whygates"
    build.compiler.cache_clear()


def test_a_kernel_is_compiled_once(cache, monkeypatch):
    cell = catalogue()["rnn"]()
    assert choose("auto", cell).name == "fused"
    assert len(kernels(cache)) == 1
    monkeypatch.setattr(build, "_compile", lambda *_: pytest.fail("compiled again"))
    monkeypatch.setattr(run, "_kernels", {})
    assert choose("auto", cell).name == "fused"


def test_a_damaged_kernel_is_compiled_again(cache):
    library = kernel_built_by_another_process(cache)
    size = library.stat().st_size
    library.write_bytes(library.read_bytes()[:100])
    assert choose("auto", catalogue()["rnn"]()).name == "fused"
    assert library.stat().st_size == size


CHOOSE_FUSED = [
    sys.executable,
    "-c",
    "from ablations.cells import catalogue; from ablations.engines import choose; print(choose('fused', catalogue()['rnn']()).name)",
]


def kernel_built_by_another_process(folder: Path) -> Path:
    """A kernel that this process has not loaded, as damaging a loaded one would crash it."""
    completed = subprocess.run(CHOOSE_FUSED, capture_output=True, text=True, env=os.environ, check=True)
    assert completed.stdout.strip() == "fused"
    (library,) = kernels(folder)
    return library


def kernels(folder: Path) -> list[Path]:
    """The libraries of the cell `rnn`; the readout has another."""
    return [path for path in folder.glob("*.so") if path.with_suffix(".cpp").read_text().startswith("// rnn,")]


def test_two_processes_may_build_one_kernel_at_the_same_time(cache):
    processes = [subprocess.Popen(CHOOSE_FUSED, stdout=subprocess.PIPE, text=True, env=os.environ) for _ in range(2)]
    assert [process.communicate()[0].strip() for process in processes] == ["fused", "fused"]
    assert len(kernels(cache)) == 1


@pytest.mark.parametrize(
    ("compiler", "reason"),
    [("/bin/false", "/bin/false cannot compile"), (None, "there is no C++ compiler on this machine; install g++")],
)
def test_without_a_working_compiler_only_auto_falls_back_to_the_eager_engine(cache, monkeypatch, compiler, reason):
    if compiler:
        monkeypatch.setenv("CXX", compiler)
    else:
        monkeypatch.setenv("PATH", "/nowhere")
        monkeypatch.delenv("CXX", raising=False)
    engine = choose("auto", catalogue()["rnn"]())
    assert engine.name == "eager"
    assert reason in engine.why
    with pytest.raises(InputError, match="cannot run the cell 'rnn'") as raised:
        choose("fused", catalogue()["rnn"]())
    assert reason in str(raised.value)
    assert str(raised.value).endswith("with --engine auto, such cells run on the eager engine")


def test_a_cache_folder_that_cannot_be_created_is_replaced_by_the_temporary_folder(cache, monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("WHYGATES_CACHE", str(tmp_path / "file"))
    monkeypatch.setattr(build.tempfile, "gettempdir", lambda: str(tmp_path))
    assert choose("fused", catalogue()["rnn"]()).name == "fused"
    assert list((tmp_path / f"whygates-{os.getuid()}").glob("*.so"))
