"""The tables of verdicts and of results as LaTeX, for `booktabs` and `longtable`."""

from collections.abc import Iterable, Mapping
from math import isnan
from typing import Any

import pandas as pd

from reports.format import MISSING, number, percent, signed

SYMBOLS = {
    "−": "$-$", "×": r"$\times$", "±": r"$\pm$", "≥": r"$\geq$", "≤": r"$\leq$", "≠": r"$\neq$", "→": r"$\to$", "⊙": r"$\odot$",
    "∞": r"$\infty$", "·": r"$\cdot$", "σ": r"$\sigma$", "½": r"$\frac12$", "′": "$'$", "✓": r"$\checkmark$", "○": r"$\circ$",
    "–": "--", "—": "---", "…": r"\ldots{}", "“": "``", "”": "''", "’": "'", "‘": "`",
    **{sign: f"$^{i}$" for i, sign in enumerate("⁰¹²³⁴⁵⁶⁷⁸⁹")}, "⁻": "$^-$",
}  # fmt: skip
"""What LaTeX cannot read in a text without packages for Unicode."""


def verdicts(cases: Iterable[Any]) -> str:
    """The verdict on every claim.

    :param cases: `reports.page.content.Case`.
    """
    rows = [
        (f"{case.verdict.id}. {case.verdict.claim}", case.effect, case.verdict.seeds or MISSING, case.word)
        for case in cases
    ]
    table = pd.DataFrame(rows, columns=["Claim", "Effect", "Seeds", "Verdict"])
    return _latex(table, "p{.45\\linewidth}lrl", "Verdicts", "verdicts")


def results(arms: Iterable[Mapping[str, Any]]) -> str:
    """The outcome of every cell on every task and lag.

    :param arms: rows of `reports.aggregates.outcomes.arms` with the interval of the rate.
    """
    rows = [
        (
            arm["task"],
            number(arm["lag"]),
            arm["cell"],
            f"{arm['solved']}/{arm['seeds']}",
            f"{percent(arm['low']).removesuffix(' %')} to {percent(arm['high'])}",
            MISSING if isnan(arm["median_score"]) else signed(arm["median_score"], 2),
            number(arm["median_steps"]),
            number(arm["parameters"]),
        )
        for arm in arms
    ]
    columns = ["Task", "Lag", "Cell", "Solved", "95 % interval", "Score", "Steps", "Parameters"]
    caption = "Networks that solved the task, and their median score and steps"
    return _latex(pd.DataFrame(rows, columns=columns), "lrlrrrrr", caption, "results")


def _latex(table: pd.DataFrame, columns: str, caption: str, label: str) -> str:
    named = table.rename(columns=_text)
    style: Any = named.style.hide(axis="index").format(_text)
    text = style.to_latex(
        column_format=columns, hrules=True, environment="longtable", caption=caption, label=f"tab:{label}"
    )
    return f"\\begingroup\\footnotesize\\setlength{{\\tabcolsep}}{{3pt}}\n{text}\\endgroup\n"


def _text(value: object) -> str:
    """A value as LaTeX."""
    plain = str(value).translate(
        str.maketrans({"\\": r"\textbackslash{}", **{sign: f"\\{sign}" for sign in "&%$#_{}"}})
    )
    plain = plain.replace("~", r"\textasciitilde{}").replace("^", r"\textasciicircum{}")
    return plain.translate(str.maketrans(SYMBOLS))
