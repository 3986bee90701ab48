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
    assert reason in engine.reason
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


COMPILERS = {
    "its interpreter is missing": ("#!/nonexistent/sh\n", "cannot be run: No such file or directory"),
    "it is no program": ("echo\n", "cannot be run: Exec format error"),
    "it writes nothing": ("#!/bin/sh\nexit 0\n", "it wrote no library and no message"),
    "it fails silently": ("#!/bin/sh\nexit 3\n", "it wrote no library and no message"),
    "it fails with a message in Latin-1": ("#!/bin/sh\nprintf 'r\\351sum\\351\\n' >&2; exit 1\n", "r\ufffdsum\ufffd"),
    "it writes something else": ('#!/bin/sh\nwhile [ "$1" != -o ]; do shift || exit 0; done; echo text > "$2"\n', "cannot be loaded"),
}  # fmt: skip


@pytest.mark.parametrize("problem", COMPILERS)
def test_a_broken_compiler_is_a_reason_and_leaves_no_library(cache, monkeypatch, tmp_path, problem):
    text, reason = COMPILERS[problem]
    compiler = tmp_path / "compiler"
    compiler.write_text(text)
    compiler.chmod(0o755)
    monkeypatch.setenv("CXX", str(compiler))
    build._machine.cache_clear()
    engine = choose("auto", catalogue()["rnn"]())
    build._machine.cache_clear()
    assert (engine.name, len(engine.reason.splitlines())) == ("eager", 1)
    assert engine.reason.startswith("no fused kernel: ")
    assert reason in engine.reason
    assert not list(cache.glob("*.part"))


@pytest.mark.parametrize("command", ["g++ -O1", 'env "CCACHE=/a b" g++ -g0'])
def test_the_compiler_may_have_options_and_a_launcher(cache, monkeypatch, command):
    monkeypatch.setenv("CXX", command)
    assert choose("fused", catalogue()["rnn"]()).name == "fused"


@pytest.mark.parametrize("command", ["/", "nowhere -O1"])
def test_a_compiler_that_does_not_exist_is_replaced(cache, monkeypatch, command):
    monkeypatch.setenv("CXX", command)
    assert choose("auto", catalogue()["rnn"]()).name == "fused"


def test_a_compiler_command_that_cannot_be_split_is_a_reason(cache, monkeypatch):
    monkeypatch.setenv("CXX", "g++ '")
    engine = choose("auto", catalogue()["rnn"]())
    assert (engine.name, "No closing quotation" in engine.reason) == ("eager", True)


FAILURES = [
    OSError(28, "No space left on device"),
    PermissionError(13, "Permission denied"),
    OSError(122, "Disk quota exceeded"),
]


@pytest.mark.parametrize("error", [*FAILURES, OSError(37, "No locks available"), NotImplementedError("no flock here")])
@pytest.mark.parametrize("where", ["write_text", "lock"])
def test_a_cache_that_cannot_be_written_is_a_reason_and_keeps_nothing_half_written(cache, monkeypatch, error, where):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(*((build.Path, "write_text") if where == "write_text" else (build, "FileLock")), fail)
    engine = choose("auto", catalogue()["rnn"]())
    assert engine.name == "eager"
    assert engine.reason == f"no fused kernel: {getattr(error, 'strerror', None) or error} in {cache}"
    assert not list(cache.glob("*.so"))


def test_a_kernel_in_the_cache_is_loaded_without_writing(cache, monkeypatch):
    assert choose("fused", catalogue()["rnn"]()).name == "fused"
    monkeypatch.setattr(build, "FileLock", lambda _: pytest.fail("locked"))
    monkeypatch.setattr(build.Path, "write_text", lambda *_, **__: pytest.fail("written"))
    monkeypatch.setattr(run, "_kernels", {})
    library.cache_clear()
    assert choose("fused", catalogue()["rnn"]()).name == "fused"


def test_without_a_home_kernels_are_cached_in_the_temporary_folder(cache, monkeypatch, tmp_path):
    monkeypatch.delenv("WHYGATES_CACHE")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr("pwd.getpwuid", lambda _: (_ for _ in ()).throw(KeyError("no such user")))
    monkeypatch.setattr(build.tempfile, "gettempdir", lambda: str(tmp_path))
    assert build.cache_folder() == tmp_path / f"whygates-{os.getuid()}"
