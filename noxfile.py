"""The checks that a change must pass. Sessions run in the environment that nox itself is installed in."""

import sys

import nox

nox.options.sessions = ["lint", "types", "tests"]
nox.options.default_venv_backend = "none"


def run(session: nox.Session, module: str, *arguments: str) -> None:
    """Run a module with the interpreter that runs nox."""
    session.run(sys.executable, "-m", module, *arguments)


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
    """The tests that kill sweeps again and again: minutes, one after the other."""
    run(session, "pytest", "-m", "faults", "-rA", *session.posargs)


@nox.session(venv_backend="venv", reuse_venv=True)
def cluster(session: nox.Session) -> None:
    """The tests of Ray clusters, also those that kill nodes: minutes. Installs Ray in an environment of its own."""
    session.install("-c", "constraints.txt", "-e", ".[dev,cluster]")
    arguments = session.posargs or ["tests/ablations/sweeps/workers/test_cluster.py"]
    session.run("python", "-m", "pytest", "-m", "faults or not faults", "-rA", *arguments)


@nox.session(venv_backend="venv", reuse_venv=True)
def audit(session: nox.Session) -> None:
    """Pinned packages that have newer releases, and those with known vulnerabilities, as PyPI's JSON interface has them: where
    that cannot be reached, as behind some mirrors, the session says so and fails."""
    run(session, "pip", "list", "--outdated")
    session.install("pip-audit")
    session.run("pip-audit", "--strict", "--disable-pip", "--no-deps", "--requirement", "constraints.txt")


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
