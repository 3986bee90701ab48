"""Look up known vulnerabilities of the pinned packages: `nox -s audit`.

    python docs/audit.py INTERPRETER

Asks the databases that pip-audit knows. Where none can be reached, as behind some mirrors, docs/audit.md is written instead, with a
date: the pinned versions, and the newest releases that the package index has of those packages that INTERPRETER has.
"""

import json
import subprocess
import sys
from datetime import date
from pathlib import Path

ROOT = Path(__file__).parents[1]
PINNED = ROOT / "constraints.txt"
DATABASES = {"pypi": "PyPI", "osv": "OSV"}
"""What pip-audit calls them, and their names."""


def looked_up(database: str) -> int | None:
    """The exit code of pip-audit, whose findings are printed; None if the database cannot be reached, or lacks packages."""
    options = ["--strict", "--disable-pip", "--no-deps", "--requirement", str(PINNED)]
    command = [sys.executable, "-m", "pip_audit", "--vulnerability-service", database, *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode and "known vulnerabilit" not in done.stderr:
        return None
    print(done.stdout + done.stderr)
    return done.returncode


def page(interpreter: str) -> str:
    """The list, as Markdown."""
    command = [interpreter, "-m", "pip", "list", "--format", "json"]
    installed, outdated = (
        {one["name"].lower(): one for one in json.loads(subprocess.check_output([*command, *options]))}
        for options in ([], ["--outdated"])
    )
    lines = [
        "# Pinned packages",
        "",
        f"Written by `nox -s audit` on {date.today()}, when it could reach no database of vulnerabilities ({' and '.join(DATABASES.values())}):",
        "**no advisory was looked up for these versions.** Newest releases are those that the package index had on that day; a dash:",
        "not looked up, as the package is not needed by the tests.",
        "",
        "| package | pinned in constraints.txt | newest release |",
        "|---|---|---|",
    ]
    for line in PINNED.read_text(encoding="utf-8").split():
        name, version = line.split("==")
        newest = outdated[name.lower()]["latest_version"] if name.lower() in outdated else "the same"
        lines.append(f"| {name} | {version} | {newest if name.lower() in installed else '–'} |")
    return "\n".join(lines) + "\n"


def main(interpreter: str) -> int:
    for database in DATABASES:
        if (code := looked_up(database)) is not None:
            return code
    (ROOT / "docs" / "audit.md").write_text(page(interpreter), encoding="utf-8")
    print(
        f"no database of vulnerabilities can be reached ({', '.join(DATABASES.values())}): docs/audit.md lists the pinned versions"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
