"""How everything is drawn: one look per cell, one style, and SVG that depends on nothing but the figure.

The colours are those of Okabe & Ito (2008), which the colour-blind tell apart; markers and lines carry the same in
greyscale.
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

INK, FAINT, RULE = "#1f2328", "#6e7781", "#d8dee4"
WIDTH = 8.8
"""Inches; at 96 pixels per inch the width of the report's column, so that text keeps its size."""


Line = Any
"""A line style of matplotlib: a name, or an offset and the lengths of dashes and gaps."""


class Look(NamedTuple):
    """How a cell is drawn."""

    color: str
    marker: str
    line: Line


COLORS = ("#0072B2", "#009E73", "#E69F00", "#D55E00", "#5c6670", "#CC79A7", "#56B4E9", "#7a5195")
MARKERS = ("o", "s", "^", "D", "X", "P", "v", "<", ">")
LINES: tuple[Line, ...] = ("-", "--", (0, (5, 1, 1, 1)), (0, (1, 1)), (0, (8, 2)))
CORE = ("lstm", "gru", "lstm_no_forget", "single_network", "rnn")
"""Cells with a place of their own in the palette, so that they look alike in every report."""


def palette(cells: Sequence[str]) -> dict[str, Look]:
    """A look for each cell: the core cells have their own, the others take the next free one in order."""
    others = [cell for cell in cells if cell not in CORE]
    slots = {cell: i for i, cell in enumerate((*CORE, *others))}
    return {
        cell: Look(COLORS[i % len(COLORS)], MARKERS[i % len(MARKERS)], LINES[i % len(LINES)])
        for cell, i in ((cell, slots[cell]) for cell in cells)
    }


@contextmanager
def style() -> Iterator[None]:
    """The style that figures are made and saved in. Nothing in it depends on the day or the machine."""
    settings: Any = {
        **sns.axes_style("ticks"),
        **sns.plotting_context("notebook", font_scale=0.75),
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
        "text.parse_math": False,  # a cell may be called "$x"
        "xtick.color": FAINT,
        "ytick.color": FAINT,
        "xtick.labelcolor": INK,
        "ytick.labelcolor": INK,
        "legend.frameon": False,
        "figure.facecolor": "white",
        "svg.hashsalt": "whygates",
        "svg.fonttype": "path",
    }
    with mpl.rc_context(settings), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # a label in a script the font lacks is drawn as boxes
        yield


def svg(figure: Figure, tight: bool = True) -> str:
    """The figure as SVG; the same figure gives the same text.

    `tight`: cut to what is drawn, which draws it twice; figures that lay themselves out need no cutting.
    """
    text = io.StringIO()
    crop = "tight" if tight and not figure.get_layout_engine() else None
    figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None}, bbox_inches=crop, pad_inches=0.08)
    return _light(text.getvalue())


def _light(text: str) -> str:
    """The same picture in half the bytes: no indents, no comments, hundredths of a point, glyphs placed by a shorter word."""
    text = re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)  # what labels say, once more
    text = re.sub(r"\s*\n\s*", "\n", text)
    text = re.sub(r"(?<![\w.])(\d*[1-9]\d*\.\d\d)\d+", r"\1", text)  # scales, below 1, stay as they are
    text = re.sub(r'(<use xlink:href="#[^"]+") transform="translate\(([\d.]+) 0\)"', r'\1 x="\2"', text)
    return text.replace("DejaVuSans-", "D")
