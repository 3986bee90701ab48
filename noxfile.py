"""The checks that a change must pass. Sessions run in the environment that nox itself is installed in."""

import sys
from pathlib import Path

import nox

nox.options.sessions = ["lint", "types", "tests"]
nox.options.default_venv_backend = "none"

CLUSTER = "tests/ablations/sweeps/workers/test_cluster.py"
"""The tests that need Ray."""


def run(session: nox.Session, module: str, *arguments: str) -> None:
    """Run a module with the interpreter that runs nox."""
    session.run(sys.executable, "-m", module, *arguments)


def recording(session: nox.Session) -> tuple[str, ...]:
    """Arguments of pytest that write its results, with what tests record, to a file, which is the last of them."""
    return "-o", "junit_family=xunit1", "--junit-xml", str(Path(session.cache_dir) / f"{session.name}.xml")


@nox.session
def lint(session: nox.Session) -> None:
    """Style, and the order of imports between packages."""
    run(session, "ruff", "check")
    run(session, "ruff", "format", "--check")
    session.run(sys.executable, "-c", "from importlinter.cli import lint_imports_command as lint; lint()")


@nox.session
def types(session: nox.Session) -> None:
    """Static types."""
    run(session, "pyright", "--pythonpath", sys.executable)


@nox.session
def tests(session: nox.Session) -> None:
    """The test suite, one process per core; arguments are passed to pytest."""
    # In the order of the files: by default, modules of few tests, which are the slow ones, come last, one after the other.
    order = ("--dist", "loadscope", "--no-loadscope-reorder")
    run(session, "pytest", "-n", "logical", *order, *session.posargs)


@nox.session
def faults(session: nox.Session) -> None:
    """The tests that kill sweeps again and again: minutes, one after the other. Writes their table in docs/faults.md."""
    recorded = recording(session)
    run(session, "pytest", "-m", "faults", "-rA", "--ignore", CLUSTER, *recorded, *session.posargs)
    if not session.posargs:
        session.run(sys.executable, "docs/faults.py", session.name, recorded[-1])


@nox.session(venv_backend="venv", reuse_venv=True)
def cluster(session: nox.Session) -> None:
    """The tests of Ray clusters, also those that kill nodes: minutes. Installs Ray in an environment of its own, and writes a
    table in docs/faults.md."""
    session.install("-c", "constraints.txt", "-e", ".[dev,cluster]")
    recorded = recording(session)
    arguments = session.posargs or [CLUSTER]
    session.run("python", "-m", "pytest", "-m", "faults or not faults", "-rA", *recorded, *arguments)
    if not session.posargs:
        session.run("python", "docs/faults.py", session.name, recorded[-1])


@nox.session(venv_backend="venv", reuse_venv=True)
def audit(session: nox.Session) -> None:
    """Known vulnerabilities of the pinned packages; where they cannot be looked up, the pinned versions with a date, in docs/audit.md."""
    session.install("pip-audit")
    session.run("python", "docs/audit.py", sys.executable)


@nox.session
def demo(session: nox.Session) -> None:
    """The demo, in an empty folder."""
    folder = session.create_tmp()
    run(session, "ablations", "demo", "--store", f"{folder}/store", "--out", f"{folder}/report")


@nox.session
def pictures(session: nox.Session) -> None:
    """The pictures of the README, from a run of the demo."""
    session.run(sys.executable, "docs/pictures.py", session.create_tmp())


@nox.session
def study(session: nox.Session) -> None:
    """A study and its report: `nox -s study -- why-gates`."""
    name = session.posargs[0] if session.posargs else "why-gates"
    run(session, "ablations", "sweep", name)
    run(session, "ablations", "report", name)


@nox.session(venv_backend="venv", reuse_venv=True)
def bench(session: nox.Session) -> None:
    """The speed of the fused engine relative to its peers: `nox -s bench -- --quick`. Installs JAX in an environment of its own."""
    session.install("-c", "constraints.txt", "-e", ".", "jax")
    session.run("python", "tests/bench", *session.posargs)
