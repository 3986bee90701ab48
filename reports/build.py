"""Build a report from the tables of a study. The same tables give the same bytes."""

import base64
import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from reports.claims import Verdict, decide
from reports.format import number, percent
from reports.page.content import contents
from reports.statistics.contrasts import LEVEL
from reports.tables import read
from reports.text import sentences as prose

TABLES = ("results.csv", "curves.csv", "study.json")
TEMPLATES = Path(__file__).parent / "templates"
PIXELS = 96 / 72
"""Pixels in a point: SVG is measured in points, pages in pixels."""
EMBEDDED = 40_000
"""Bytes of CSV that a page carries for each figure, so that all of them together stay below two megabytes."""


def build(source: Path, out: Path) -> Path:
    """Write report.html, report.md, verdicts.json, figures/*.svg with their data as *.csv, and the tables themselves into a folder.

    :param source: a folder with results.csv and perhaps curves.csv and study.json, or a results.csv alone.
    :param out: made where it does not exist. Where it is also the source, the tables in it stay as they are.
    :returns: the path of report.html.
    :raises BadTable: for tables that cannot be used; nothing is written then.
    :raises OSError: when `out` cannot be written, saying so.
    """
    source, out = Path(source), Path(out)
    tables = read(source)
    files = _files(contents(tables, verdicts := decide(tables.results)))
    files["verdicts.json"] = json.dumps([_record(verdict) for verdict in verdicts], indent=1, ensure_ascii=False) + "\n"
    folder = source.parent if source.is_file() else source
    given = {"results.csv": source} if source.is_file() else {name: source / name for name in TABLES}
    given = {name: path for name, path in given.items() if path.is_file()}
    try:
        _write(files, given, out, keep_tables=out.is_dir() and out.samefile(folder))
    except OSError as error:
        raise OSError(error.errno, f"the report cannot be written to {out}: {error.strerror or error}") from error
    return out / "report.html"


def _record(verdict: Verdict) -> dict[str, Any]:
    record = asdict(verdict)
    for contrast in record["contrasts"]:
        contrast["lags"] = [stratum._asdict() for stratum in contrast["lags"]]
    return record


def _files(shown: dict[str, Any]) -> dict[str, str]:
    """Every written file by its name: the two pages and the figures."""
    common = {
        **shown,
        "level": percent(LEVEL),
        "rule_words": prose.RULE_WORDS,
        "literature_marks": prose.LITERATURE_MARKS,
    }
    html = _environment(autoescape=True)
    markdown = _environment(autoescape=False, finalize=_escape_markdown)
    figures = {name: exhibit for name, exhibit in shown["exhibits"].items() if exhibit.shown}
    figures |= {f"claim_{case.verdict.id}": case.exhibit for case in shown["cases"] + shown["untested"] if case.exhibit}
    css = (TEMPLATES / "style.css").read_text(encoding="utf-8")
    return {
        "report.html": html.get_template("report.html.j2").render(common, css=Markup(css)),
        "report.md": markdown.get_template("report.md.j2").render(common),
        **{sheet_name(name, i): sheet.svg for name, one in figures.items() for i, sheet in enumerate(one.sheets)},
        **{f"figures/{name}.csv": exhibit.data for name, exhibit in figures.items()},
    }


def sheet_name(figure: str, sheet: int) -> str:
    """`figures/scores.svg`, `figures/scores_2.svg`."""
    return f"figures/{figure}{f'_{sheet + 1}' if sheet else ''}.svg"


def _environment(autoescape: bool, finalize: Callable[[Any], Any] | None = None) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=autoescape,
        finalize=finalize,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "number": number,
        "picture": _picture,
        "csv_link": _csv_link,
        "sheet_name": sheet_name,
        "width": lambda svg: _pixels(svg, "width"),
        "height": lambda svg: _pixels(svg, "height"),
    }
    return environment


def _picture(svg: str) -> Markup:
    """An SVG as the value of an attribute in double quotes: a quarter shorter than base64."""
    plain = " ".join(svg.replace('"', "'").split())
    return Markup("data:image/svg+xml," + quote(plain, safe=" <>='/():;,.-+*!?@[]{}|~^_$"))


def _csv_link(data: str, figure: str) -> str:
    """The data itself where it is small, so that a page alone still has it; else the file beside the page."""
    if len(data) > EMBEDDED:
        return f"figures/{figure}.csv"
    return f"data:text/csv;base64,{base64.b64encode(data.encode()).decode()}"


def _pixels(svg: str, side: str) -> int:
    size = re.search(rf'<svg [^>]*\b{side}="([\d.]+)pt"', svg)
    return round(float(size[1]) * PIXELS) if size else 0


def _escape_markdown(value: object) -> str:
    """Text that Markdown shows as it is, also in a table cell: no markup, no HTML, no line breaks."""
    text = " ".join(str(value).split())
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    text = re.sub(r"([\\`*\[\]|~])", r"\\\1", text)
    return re.sub(r"(?<!\w)_|_(?!\w)", r"\\_", text)  # within a word it is no markup


def _write(files: dict[str, str], given: dict[str, Path], out: Path, keep_tables: bool) -> None:
    """Write everything into a temporary folder in `out`, then move it into place: what is there is whole.

    Tables and figures of an earlier report that this one does not have are removed.
    """
    (out / "figures").mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".report-", dir=out) as folder:
        staged = Path(folder)
        (staged / "figures").mkdir()
        for name, text in files.items():
            (staged / name).write_text(text, encoding="utf-8", newline="\n")
        stale = {f"figures/{path.name}" for kind in ("*.svg", "*.csv") for path in (out / "figures").glob(kind)}
        if not keep_tables:
            stale |= set(TABLES)
            for name, path in given.items():
                shutil.copyfile(path, staged / name)
        placed = sorted(path.relative_to(staged).as_posix() for path in staged.rglob("*") if path.is_file())
        for name in placed:
            os.replace(staged / name, out / name)
        for name in stale - {*placed}:
            (out / name).unlink(missing_ok=True)
