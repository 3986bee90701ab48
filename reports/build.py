"""Write the files of a report from the tables of a study. The same tables give the same bytes."""

import base64
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from reports import latex, output
from reports.claims import Verdict, decide
from reports.figures.style import with_dark_mode
from reports.format import number, percent, rounded
from reports.page.content import contents
from reports.statistics.contrasts import LEVEL
from reports.stored import stored, thinned
from reports.tables import TABLES, read
from reports.text import sentences

ROBUSTNESS = "robustness"
"""Folder with the tables of robustness studies, a folder each, beside those of the study itself."""
TEMPLATES = Path(__file__).parent / "templates"
PIXELS = 96 / 72
"""Pixels per point: an SVG's size is in points, a page's in pixels."""
EMBEDDED = 40_000
"""Largest CSV, in bytes, that the page embeds; larger ones are linked, so that the page stays below two megabytes."""


def build(source: Path, out: Path, robustness: Mapping[str, Path] = {}) -> Path:
    """Write the files of a report, which `templates/README.md` lists, with the tables that it was made from.

    :param source: a folder with results.csv and optionally the other TABLES and `robustness`, or the path of a results.csv.
    :param out: the folder to write, created if missing. If it is also the source, its tables are not rewritten.
    :param robustness: folders of further robustness studies, by name.
    :returns: the path of report.html.
    :raises BadTable: if the tables are invalid; nothing is written then.
    :raises Occupied: if `out` has files that no earlier report wrote; nothing is written then.
    :raises OSError: if `out` cannot be written.
    """
    source, out = Path(source), Path(out)
    folder = source.parent if source.is_file() else source
    others = robustness_of(folder) | dict(robustness)
    sources = {"": source} | {f"{ROBUSTNESS}/{study}/": path for study, path in others.items()}
    own = {f"{prefix}{name}" for prefix in sources for name in TABLES}
    kept = own if out.is_dir() and folder.is_dir() and out.samefile(folder) else set[str]()
    output.check(out, kept=kept)  # before the work
    read_from = {prefix: thinned(read(path)) for prefix, path in sources.items()}
    tables = read_from.pop("")
    beside = dict(zip(others, read_from.values(), strict=True))
    tables_of: dict[str, dict[str, str | bytes | Path]] = {
        prefix: {} if _is_at(path, out / prefix) else dict(stored(path, thin))
        for (prefix, path), thin in zip(sources.items(), [tables, *beside.values()], strict=True)
    }
    names = [name for name in TABLES if name in tables_of[""] or (not tables_of[""] and (out / name).is_file())]
    shown = contents(tables, verdicts := decide(tables.results), beside) | {"tables": names}
    files: dict[str, str | bytes | Path] = {**_files(shown)}
    files["verdicts.json"] = json.dumps([_record(verdict) for verdict in verdicts], indent=1, ensure_ascii=False) + "\n"
    files["README.md"] = TEMPLATES / "README.md"
    files |= {f"{prefix}{name}": content for prefix, found in tables_of.items() for name, content in found.items()}
    output.write(out, files, kept)
    return out / "report.html"


def _is_at(source: Path, folder: Path) -> bool:
    """Whether the tables of a source are those in a folder already."""
    return source.resolve() in (folder.resolve(), (folder / "results.csv").resolve())


def robustness_of(folder: Path) -> dict[str, Path]:
    """The folders of robustness studies that a folder of tables has, by name."""
    return {path.name: path for path in sorted((folder / ROBUSTNESS).glob("*")) if path.is_dir()}


def _record(verdict: Verdict) -> dict[str, Any]:
    """A verdict as verdicts.json stores it, with rounded numbers."""
    record = asdict(verdict)
    for contrast in record["contrasts"]:
        contrast["lags"] = [stratum._asdict() for stratum in contrast["lags"]]
    for entry in (record, *record["contrasts"]):
        entry |= {key: rounded(value) for key, value in entry.items() if isinstance(value, float)}
    return record


def _files(shown: dict[str, Any]) -> dict[str, str | bytes]:
    """The text of the two pages, the figures and their data, by file name.

    :param shown: the variables of the templates.
    """
    common = {
        **shown,
        "level": percent(LEVEL),
        "rule_words": sentences.RULE_WORDS,
        "literature_marks": sentences.LITERATURE_MARKS,
        "glossary": sentences.GLOSSARY,
    }
    html = _environment(autoescape=True)
    markdown = _environment(autoescape=False, finalize=_escape_markdown)
    figures = {name: exhibit for name, exhibit in shown["exhibits"].items() if exhibit.shown}
    figures |= {f"claim_{case.verdict.id}": case.exhibit for case in shown["cases"] + shown["untested"] if case.exhibit}
    css, js, explore_js = (
        Markup((TEMPLATES / name).read_text(encoding="utf-8")) for name in ("style.css", "script.js", "explore.js")
    )
    return {
        "report.html": html.get_template("report.html.j2").render(common, css=css, js=js, explore_js=explore_js),
        "report.md": markdown.get_template("report.md.j2").render(common),
        **{
            sheet_name(name, i, kind): image
            for name, exhibit in figures.items()
            for i, sheet in enumerate(exhibit.sheets)
            for kind, image in (("svg", sheet.svg), ("pdf", sheet.pdf))
        },
        **{f"figures/{name}.csv": exhibit.data for name, exhibit in figures.items()},
        "tables/verdicts.tex": latex.verdicts(shown["cases"] + shown["untested"]),
        "tables/results.tex": latex.results(shown["arms"]),
    }


def sheet_name(figure: str, sheet: int, kind: str = "svg") -> str:
    """The file of one sheet of a figure: `figures/scores.svg`, then `figures/scores_2.svg`."""
    return f"figures/{figure}{f'_{sheet + 1}' if sheet else ''}.{kind}"


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
        "percent": percent,
        "picture": _picture,
        "csv_link": _csv_link,
        "sheet_name": sheet_name,
        "width": lambda svg: _pixels(svg, "width"),
        "height": lambda svg: _pixels(svg, "height"),
    }
    return environment


def _picture(svg: str) -> Markup:
    """An SVG as a data address for an attribute in double quotes; a quarter shorter than base64."""
    plain = " ".join(with_dark_mode(svg).replace('"', "'").split())
    return Markup("data:image/svg+xml," + quote(plain, safe=" <>='/():;,.-+*!?@[]{}|~^_$"))


def _csv_link(data: str, figure: str) -> str:
    """The address of a figure's CSV: the data itself if it is small, otherwise the file beside the page."""
    if len(data) > EMBEDDED:
        return f"figures/{figure}.csv"
    return f"data:text/csv;base64,{base64.b64encode(data.encode()).decode()}"


def _pixels(svg: str, side: str) -> int:
    """The `width` or `height` of an SVG in CSS pixels; 0 if it declares none."""
    size = re.search(rf'<svg [^>]*\b{side}="([\d.]+)pt"', svg)
    return round(float(size[1]) * PIXELS) if size else 0


def _escape_markdown(value: object) -> str:
    """Escape markup and HTML and remove line breaks, so that Markdown shows the text literally, also in a table cell."""
    text = " ".join(str(value).split())
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    text = re.sub(r"([\\`*\[\]|~])", r"\\\1", text)
    return re.sub(r"(?<!\w)_|_(?!\w)", r"\\_", text)  # between letters it is not markup
