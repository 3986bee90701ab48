"""Cell styles are stable and distinguishable, and SVG output is reproducible."""

import matplotlib.colors
import numpy as np
from matplotlib.figure import Figure

from reports.figures.colors import COLORS
from reports.figures.style import DARK, cell_styles, figure_style, pdf, svg, with_dark_mode


def luminance(color: str) -> float:
    return float(np.dot(matplotlib.colors.to_rgb(color), [0.299, 0.587, 0.114]))


def test_style_of_a_core_cell_does_not_depend_on_the_other_cells() -> None:
    assert cell_styles(["gru", "lstm"])["lstm"] == cell_styles(["new", "rnn", "lstm"])["lstm"]


def test_thirty_cells_differ_in_marker_or_line_and_are_visible_on_white() -> None:
    styles = cell_styles([f"cell{i}" for i in range(30)])
    assert len({(style.marker, style.line) for style in styles.values()}) == 30
    assert all(luminance(style.color) < 0.75 for style in styles.values())


def test_svg_of_equal_figures_is_equal_and_has_no_date() -> None:
    def plot() -> str:
        with figure_style():
            figure = Figure()
            figure.subplots().plot([0, 1], [1, 0], marker="o")
            return svg(figure)

    first = plot()
    assert first == plot()
    assert "date" not in first


def test_pdf_of_equal_figures_is_equal_and_has_no_date() -> None:
    def plot() -> bytes:
        with figure_style():
            figure = Figure(layout="constrained")
            figure.subplots().set_title("score")
            svg(figure)
            return pdf(figure)

    first = plot()
    assert first == plot()
    assert b"CreationDate" not in first
    assert b"/FontDescriptor" not in first


def test_dark_mode_changes_the_colours_that_a_figure_has() -> None:
    with figure_style():
        figure = Figure()
        figure.subplots().plot([0, 1], [1, 0], color=COLORS[0])
        image = svg(figure)
    dark = with_dark_mode(image)
    rules = dark.split("<style>")[1].split("</style>")[0]
    assert rules.startswith("@media (prefers-color-scheme:dark){")
    assert f'[style*="stroke: {COLORS[0].lower()}"]{{stroke:{DARK[COLORS[0].lower()]}!important}}' in rules
    assert COLORS[1].lower() not in rules
    assert dark.replace(f"<style>{rules}</style>", "") == image
    assert {color.lower() for color in COLORS} <= {*DARK}
    assert all(
        luminance(color) > luminance(DARK["#ffffff"]) + 0.2
        for name, color in DARK.items()
        if name in map(str.lower, COLORS)
    )
