"""The page of a benchmark: a table of ratios, and a figure of them."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from reports.figures.colors import COLORS
from reports.figures.style import figure_style, svg

TICKS = (0.1, 0.2, 0.5, 1, 2, 3, 5, 10, 20, 50, 100)


def write_page(table: pd.DataFrame, folder: Path) -> Path:
    """Write performance.md and performance.svg; returns the path of the page.

    :param table: one row for each cell, peer and shape, as in performance.csv.
    """
    with figure_style():
        (folder / "performance.svg").write_text(svg(_figure(table.dropna(subset=["ratio"]))), encoding="utf-8")
    page = folder / "performance.md"
    page.write_text("\n".join(_lines(_with_shapes(table))) + "\n", encoding="utf-8")
    return page


def _with_shapes(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(shape=table.apply(lambda row: f"B{row['batch']:.0f} H{row['hidden']:.0f}", axis=1))


def _lines(table: pd.DataFrame) -> list[str]:
    """The lines of the page."""
    shapes, cores = list(dict.fromkeys(table["shape"])), os.cpu_count() or 1
    by_members = table.groupby(["cell", "members", "shape"], sort=False)[["alone_ms", "limit_share"]].median()
    members = sorted(table["members"].dropna().unique())
    return [
        "# Performance",
        "",
        f"One gradient step of one layer (forward, backward, gradients of the weights) of T = {table['steps'].max():.0f} steps, for a "
        f"batch of B sequences and H units, one thread of: {'; '.join(dict.fromkeys(table['machine']))}. "
        + _shared(table["load"], cores)
        + "Times are processor time per network, medians of at least three steps of each, in turns, in one process per pair. Written by "
        "`nox -s bench`; all numbers are in [performance.csv](performance.csv).",
        "",
        "## Relative to peers",
        "",
        "The peer's time divided by that of the fused engine; a dash is a shape that was not measured, and "
        "performance.csv says why one failed. *JAX vmap(scan)* trains 16 networks at once, *torch.compile scan* 4; so "
        "does the fused engine beside it. *Memory kept*: freed memory is not returned to the system, which makes torch.nn faster.",
        "",
        "![Ratios by cell and peer](performance.svg)",
        "",
        f"| cell | peer | {' | '.join(shapes)} |",
        f"|---|---|{'--:|' * len(shapes)}",
        *_ratio_rows(table, shapes),
        "",
        f"Geometric means: {_means(table)}.",
        "",
        "## Milliseconds of the fused engine",
        "",
        "Per network, step after step without a peer between them, as in a sweep. In brackets the least time there is as a share of it: that "
        "of the multiply-adds and of the elementwise functions at their peak speeds on registers, measured in the same run, without loads "
        "and stores.",
        "",
        f"| cell | networks | {' | '.join(shapes)} |",
        f"|---|--:|{'--:|' * len(shapes)}",
        *(
            f"| `{cell}` | {k:.0f} | {' | '.join(_milliseconds(by_members, (cell, k, shape)) for shape in shapes)} |"
            for cell in dict.fromkeys(table["cell"])
            for k in members
            if (cell, k) in {key[:2] for key in by_members.index}
        ),
    ]


def _shared(load: pd.Series, cores: int) -> str:
    if load.median() <= cores:
        return ""
    low, high = round(load.min()), round(load.max())
    averages = f"load averages {low} to {high}" if low < high else f"load average {low}"
    return (
        f"Others used the machine at the same time ({averages} on {cores} cores), which slows all "
        "steps through shared caches: read ratios. "
    )


def _ratio_rows(table: pd.DataFrame, shapes: list[str]) -> list[str]:
    rows = []
    for (cell, peer), pair in table.groupby(["cell", "peer"], sort=False):
        ratios = dict(zip(pair["shape"], pair["ratio"], strict=True))
        cells = ["–" if shape not in ratios else _ratio(ratios[shape]) for shape in shapes]
        rows.append(f"| `{cell}` | {peer} | {' | '.join(cells)} |")
    return rows


def _means(table: pd.DataFrame) -> str:
    """The geometric mean of each peer's ratios over cells and shapes."""
    logs = np.log(table.dropna(subset=["ratio"]).set_index("peer")["ratio"])
    return ", ".join(f"{peer} {np.exp(mean):.1f} ×" for peer, mean in logs.groupby(level=0, sort=False).mean().items())


def _ratio(value: float) -> str:
    return "failed" if np.isnan(value) else f"{value:.1f} ×"


def _milliseconds(by_members: pd.DataFrame, key: tuple[str, float, str]) -> str:
    if key not in by_members.index:
        return "–"
    row = by_members.loc[key]
    return f"{row['alone_ms']:.2f} ({row['limit_share']:.0%})"


def _figure(timed: pd.DataFrame) -> Figure:
    cells = list(dict.fromkeys(timed["cell"]))
    figure = Figure(figsize=(8.8, 1 + 0.35 * len(cells)))
    ax = figure.subplots()
    means = timed.groupby(["cell", "peer"], sort=False)["ratio"].agg(
        lambda ratios: float(np.exp(np.log(ratios).mean()))
    )
    sns.stripplot(
        means.reset_index(),
        x="ratio",
        y="cell",
        hue="peer",
        palette=list(COLORS)[: timed["peer"].nunique()],
        jitter=False,
        ax=ax,
    )
    ax.axvline(1, color="0.6", linewidth=1)
    ax.set(xscale="log", xlabel="time of the peer / time of the fused engine, geometric mean over shapes", ylabel="")
    shown = [ratio for ratio in TICKS if means.min() / 2 < ratio < means.max() * 2]
    ax.set_xticks(shown, [f"{ratio:g} ×" for ratio in shown])
    ax.minorticks_off()
    ax.legend(fontsize=6.5, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure
