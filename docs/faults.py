"""Write what the tests of a session recorded about faults into docs/faults.md.

    python docs/faults.py SESSION RESULTS.xml

between the lines `<!-- SESSION -->` and `<!-- SESSION end -->`, from the results that pytest writes with `--junit-xml`.
`nox -s faults` and `nox -s cluster` do so after all tests have passed.
"""

import sys
from datetime import date
from pathlib import Path
from xml.etree import ElementTree

PAGE = Path(__file__).with_suffix(".md")
COLUMNS = ("fault", "times tried", "rows compared", "rows lost", "rows too many")


def rows(results: Path) -> list[list[str]]:
    """A row for each fault in the results of pytest, in their order; a skipped test is one that says why."""
    found = []
    for case in ElementTree.parse(results).iter("testcase"):
        properties = {one.get("name"): one.get("value", "") for one in case.iter("property")}
        if (skipped := case.find("skipped")) is not None:
            found.append([f"not run: `{case.get('name')}`, {skipped.get('message')}", *["–"] * (len(COLUMNS) - 1)])
        elif "fault" in properties:
            found.append([properties[name] for name in COLUMNS])
    return found


def table(results: Path) -> str:
    lines = [f"{date.today()}:", "", "| " + " | ".join(COLUMNS) + " |", "|---|" + "--:|" * (len(COLUMNS) - 1)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows(results))])


def main(session: str, results: str) -> None:
    begin, end = f"<!-- {session} -->\n", f"\n<!-- {session} end -->"
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(begin)
    _, _, after = rest.partition(end)
    PAGE.write_text(f"{before}{begin}{table(Path(results))}{end}{after}", encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
