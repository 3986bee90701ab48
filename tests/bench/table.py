"""The page of a benchmark: a table of ratios, and a figure of them."""

from pathlib import Path

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from reports.figures.style import COLORS, figure_style, svg


def write_page(table: pd.DataFrame, machine: str, folder: Path) -> Path:
    """Write performance.md and performance.svg; returns the path of the page.

    :param table: one row for each cell, peer and shape.
    """
    folder.mkdir(parents=True, exist_ok=True)
    timed = table.dropna(subset=["ratio"])
    with figure_style():
        (folder / "performance.svg").write_text(svg(_figure(timed)), encoding="utf-8")
    shapes = timed.apply(lambda row: f"B{row['batch']:.0f} H{row['hidden']:.0f}", axis=1)
    wide = timed.assign(shape=shapes).pivot_table("ratio", ["cell", "peer"], "shape", sort=False)
    lines = [
        "# Performance",
        "",
        f"One gradient step of one layer (forward, backward, gradients of the weights), T = {timed['steps'].max():.0f}, one "
        f"thread of: {machine}. The numbers are the peer's time divided by that of the fused engine, both per network, timed "
        "in turns in one process. Written by `nox -s bench`.",
        "",
        "![Ratios by cell and peer](performance.svg)",
        "",
        f"| cell | peer | {' | '.join(wide.columns)} |",
        f"|---|---|{'--:|' * len(wide.columns)}",
        *(f"| `{cell}` | {peer} | {' | '.join(_ratio(value) for value in row)} |" for (cell, peer), row in _rows(wide)),
        "",
        "The share of the core's peak speed that the fused engine reaches, by shape: "
        + ", ".join(
            f"{shape} {share:.0%}" for shape, share in timed.groupby(shapes, sort=False)["limit_share"].mean().items()
        )
        + ".",
        "",
    ]
    page = folder / "performance.md"
    page.write_text("\n".join(lines), encoding="utf-8")
    return page


def _rows(wide: pd.DataFrame) -> list[tuple[tuple[str, str], list[float]]]:
    return [((str(cell), str(peer)), list(row)) for (cell, peer), row in zip(wide.index, wide.to_numpy(), strict=True)]


def _ratio(value: float) -> str:
    return "failed" if np.isnan(value) else f"{value:.1f} ×"


def _figure(timed: pd.DataFrame) -> Figure:
    cells = list(dict.fromkeys(timed["cell"]))
    figure = Figure(figsize=(8.8, 1 + 0.35 * len(cells)))
    ax = figure.subplots()
    means = timed.groupby(["cell", "peer"], sort=False)["ratio"].agg(
        lambda ratios: float(np.exp(np.log(ratios).mean()))
    )
    sns.stripplot(
        means.reset_index(), x="ratio", y="cell", hue="peer", palette=list(COLORS)[: means.index.nunique()], ax=ax
    )
    ax.axvline(1, color="0.6", linewidth=1)
    ax.set(xscale="log", xlabel="time of the peer / time of the fused engine, geometric mean over shapes", ylabel="")
    ax.legend(fontsize=6.5, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure
