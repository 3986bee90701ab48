"""Kernels are compiled once and kept; whatever is wrong with the compiler or the cache is survived."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ablations.cells import catalogue
from ablations.engines import choose
from ablations.engines.fused import build, run
from ablations.engines.fused.linear import library
from tests.ablations.engines.reference_scans import agree


@pytest.fixture
def fresh(monkeypatch, tmp_path):
    """An empty cache of kernels, on disk and in this process."""
    monkeypatch.setenv("WHYGATES_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(run, "_kernels", {})
    library.cache_clear()
    build.compiler.cache_clear()
    yield tmp_path / "cache" / "whygates"
    build.compiler.cache_clear()


def test_a_kernel_is_compiled_once(fresh, monkeypatch):
    cell = catalogue()["rnn"]()
    assert choose("auto", cell).name == "fused"
    assert len(kernels(fresh)) == 1
    monkeypatch.setattr(build, "_compile", lambda *_: pytest.fail("compiled again"))
    monkeypatch.setattr(run, "_kernels", {})
    assert choose("auto", cell).name == "fused"


def test_a_truncated_kernel_is_built_again(fresh):
    (library,) = [build_library(fresh)]
    whole = library.stat().st_size
    library.write_bytes(library.read_bytes()[:100])
    run._kernels.clear()
    agree(catalogue()["rnn"](), (1, 3, 4, 2, 5))
    assert choose("auto", catalogue()["rnn"]()).name == "fused"
    assert library.stat().st_size == whole


def build_library(folder: Path) -> Path:
    """A kernel compiled by another process: one that this process has loaded cannot be damaged safely."""
    code = "from ablations.engines import choose; from ablations.cells import catalogue; print(choose('fused', catalogue()['rnn']()).name)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=os.environ, check=True)
    assert done.stdout.strip() == "fused"
    (library,) = kernels(folder)
    return library


def kernels(folder: Path) -> list[Path]:
    """The kernels of `rnn` (the readout has one of its own)."""
    return [path for path in folder.glob("*.so") if path.with_suffix(".cpp").read_text().startswith("// rnn,")]


def test_two_processes_may_build_one_kernel_at_once(fresh):
    code = "from ablations.engines import choose; from ablations.cells import catalogue; print(choose('fused', catalogue()['rnn']()).name)"
    both = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=os.environ)
        for _ in range(2)
    ]
    assert [process.communicate()[0].strip() for process in both] == ["fused", "fused"]
    assert len(kernels(fresh)) == 1


@pytest.mark.parametrize(("compiler", "why"), [("/bin/false", "refuses"), (None, "no C++ compiler on this machine")])
def test_without_a_working_compiler_the_eager_engine_runs(fresh, monkeypatch, compiler, why):
    if compiler:
        monkeypatch.setenv("CXX", compiler)
    else:
        monkeypatch.setenv("PATH", "/nowhere")
        monkeypatch.delenv("CXX", raising=False)
    engine = choose("fused", catalogue()["rnn"]())
    assert engine.name == "eager"
    assert why in engine.why


def test_a_cache_that_cannot_be_made_gives_way_to_the_temporary_folder(fresh, monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("WHYGATES_CACHE", str(tmp_path / "file"))
    monkeypatch.setattr(build.tempfile, "gettempdir", lambda: str(tmp_path))
    assert choose("fused", catalogue()["rnn"]()).name == "fused"
    assert list((tmp_path / f"whygates-{os.getuid()}").glob("*.so"))
