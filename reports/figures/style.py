"""The common style of all figures: a colour, marker and line per cell, matplotlib settings, and reproducible SVG.

In greyscale, markers and line styles distinguish the cells.
"""

import io
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import matplotlib as mpl
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.patheffects import Normal
from matplotlib.text import Text

from reports.figures.colors import cell_colors, slots

INK, FAINT, RULE = "#1f2328", "#6e7781", "#d8dee4"
"""The colours of text and emphasised lines, of secondary text and axes, and of rules and shaded regions."""
WIDTH = 8.8
"""Figure width in inches: at 96 pixels per inch the width of the report's column, so that fonts keep their size."""

ON_DARK, ON_LIGHT, FAINT_ON_LIGHT = "#fffffe", "#1f2329", "#59636e"
"""The colours of text on areas that are shaded by a value, which stay as they are in dark mode."""

Line = Any
"""A matplotlib line style: a name, or an offset and the lengths of dashes and gaps."""


class CellStyle(NamedTuple):
    """The colour, marker and line style in which a cell is drawn."""

    color: str
    marker: str
    line: Line


MARKERS = ("o", "s", "^", "D", "X", "P", "v", "<", ">")
LINES: tuple[Line, ...] = ("-", "--", (0, (5, 1, 1, 1)), (0, (1, 1)), (0, (8, 2)))


def cell_styles(cells: Sequence[str]) -> dict[str, CellStyle]:
    """Return a style for each cell: fixed for the cells in `CORE`, the next unused one in order for any other."""
    return {
        cell: CellStyle(color, MARKERS[i % len(MARKERS)], LINES[i % len(LINES)])
        for (cell, color), i in zip(cell_colors(cells).items(), slots(cells).values(), strict=True)
    }


@contextmanager
def figure_style() -> Iterator[None]:
    """Apply the matplotlib settings under which figures are created and saved.

    They start from matplotlib's defaults, so that they depend neither on the user's matplotlibrc nor on date and machine.
    """
    settings: Any = {
        "font.family": ["DejaVu Sans"],
        "axes.edgecolor": FAINT,
        "axes.labelcolor": INK,
        "axes.linewidth": 0.8,
        "axes.titlesize": 9.5,
        "axes.titleweight": "bold",
        "axes.titlelocation": "left",
        "xtick.major.size": 3.5,
        "ytick.major.size": 3.5,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "text.color": INK,
        "text.parse_math": False,  # the name of a cell may contain $
        "xtick.color": FAINT,
        "ytick.color": FAINT,
        "xtick.labelcolor": INK,
        "ytick.labelcolor": INK,
        "legend.frameon": False,
        "figure.facecolor": "white",
        "svg.hashsalt": "whygates",
        "svg.fonttype": "none",  # text: as outlines, it would be most of a report of a large study
    }
    with mpl.rc_context(), warnings.catch_warnings():
        mpl.rcdefaults()
        mpl.rcParams.update(sns.axes_style("ticks") | sns.plotting_context("notebook", font_scale=0.75) | settings)
        warnings.filterwarnings("ignore", "Glyph .* missing")  # missing glyphs are drawn as boxes
        yield


def svg(figure: Figure, tight: bool = True) -> str:
    """Return a figure as SVG text; equal figures give equal texts.

    :param tight: crop to the drawn content, which draws the figure twice; without effect on figures with a layout engine.
    """
    text = io.StringIO()
    crop = "tight" if tight and not figure.get_layout_engine() else None
    figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None}, bbox_inches=crop, pad_inches=0.08)
    return _compressed(text.getvalue())


def pdf(figure: Figure) -> bytes:
    """Return a figure as PDF, in the layout in which `svg` drew it before; equal figures give equal bytes.

    Its text is outlines: that takes half the time of embedding fonts, and every journal accepts it.
    """
    data = io.BytesIO()
    crop = None if figure.get_layout_engine() else "tight"
    figure.set_layout_engine("none")  # the layout takes most of the time
    for text in figure.findobj(Text):
        text.set_path_effects([Normal()])
    metadata: Any = dict.fromkeys(["CreationDate", "Creator", "Producer"])
    figure.savefig(data, format="pdf", metadata=metadata, bbox_inches=crop, pad_inches=0.08)
    return data.getvalue()


DARK = {
    "#ffffff": "#15191e", INK: "#e6e9ec", FAINT: "#a3adb8", RULE: "#363d45",
    "#0072b2": "#4aa8e0", "#009e73": "#35c79c", "#e69f00": "#f2b632", "#d55e00": "#f5853f", "#5c6670": "#a0abb6",
    "#cc79a7": "#e39fc6", "#56b4e9": "#a5dcff", "#7a5195": "#b991d6",
}  # fmt: skip
"""The colours of dark mode: of the page, as in `style.css`, of text and rules, and of COLORS."""


def with_dark_mode(image: str) -> str:
    """Return an SVG that has the colours DARK where the reader's system is dark; areas shaded by a value keep theirs."""
    rules = [
        f'[style*="{part}: {light}"]{{{part}:{dark}!important}}'
        for light, dark in DARK.items()
        for part in ("fill", "stroke")
        if f"{part}: {light}" in image
    ]
    style = f"<style>@media (prefers-color-scheme:dark){{{''.join(rules)}}}</style>"
    return re.sub(r"(<svg [^>]*>)", lambda tag: tag[1] + style, image, count=1)


def _compressed(text: str) -> str:
    """The same image in about half the bytes: no indentation or comments, coordinates rounded to 0.01 points.

    Readers without DejaVu Sans see Verdana, whose letters are as wide.
    """
    text = re.sub(r"<!--.*?-->|<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r"\s*\n\s*", "\n", text)
    text = re.sub(r"(?<![\w.])(\d*[1-9]\d*\.\d\d)\d+", r"\1", text)  # numbers below 1, such as scales, stay exact
    text = re.sub(r'<g id="[^"]*"/>\n?| transform="rotate\(-0 [\d. -]+\)"', "", text)
    return text.replace("'DejaVu Sans'", "DejaVu Sans,Verdana,sans-serif")
