"""Small results tables whose correct verdict is obvious, and functions that judge them."""

import numpy as np
import pandas as pd

from reports.claims import CLAIMS, Contrast, Verdict, decide
from reports.statistics.strata import group_of

RECALL, STREAM = (20, 40, 80), (10, 20, 40)
"""Lags of recall and of continual_adding."""


def arm(cell, task, lag, solved, runs=20, searches=5, phase="confirm", size=5000, **columns):
    """Rows of one arm with `solved` of `runs` solved, spread evenly over its searches; searches=0: an empty column."""
    numbers = np.arange(runs)
    return pd.DataFrame(
        {
            "phase": phase,
            "cell": cell,
            "task": task,
            "lag": lag,
            "size": size,
            "group": group_of(task),
            "search": numbers % searches if searches else np.nan,
            "solved": numbers < solved,
            "diverged": False,
        }
        | columns
    )


def table(rates, lags: tuple[float, ...] = RECALL, task="recall", **options):
    """Rows of several cells at several lags; `rates`: cell -> runs solved at every lag, by default of 20."""
    return pd.concat([arm(cell, task, lag, solved, **options) for cell, solved in rates.items() for lag in lags])


def verdict(number: int, *tables: pd.DataFrame) -> Verdict:
    """The verdict on the claim with this id, from the tables together."""
    return next(judged for judged in decide(pd.concat(tables, ignore_index=True)) if judged.id == number)


def contrast(judged: Verdict, name: str) -> Contrast:
    """The contrast of a verdict, by the name of its comparison."""
    claim = next(claim for claim in CLAIMS if claim.id == judged.id)
    return judged.contrasts[[comparison.name for comparison in claim.comparisons].index(name)]


def tuning_table(rates, lags=RECALL, runs=40):
    return table(rates, lags, runs=runs, phase="tune")


def forgetting_tables(erase, latch, **options):
    """Tables of an erase and a latch task; `erase`, `latch`: runs solved by lstm_no_forget, where lstm solves all 20."""
    return (
        table({"lstm": 20, "lstm_no_forget": erase}, lags=STREAM, task="continual_adding", **options),
        table({"lstm": 20, "lstm_no_forget": latch}, **options),
    )


EVERY_GROUP = dict.fromkeys(("short", "latch", "erase", "order", "capacity", "count"), 20)


def gru_tables(**solved):
    """A table per group of tasks; `solved`: group -> runs solved by gru, where lstm solves all 20."""
    tasks = {
        "short": ("n_back", (1, 2)),
        "latch": ("recall", RECALL),
        "erase": ("continual_adding", RECALL),
        "order": ("temporal_order", RECALL),
        "capacity": ("copy", RECALL),
        "count": ("counting", RECALL),
    }
    rows = [
        table({"gru": x, "lstm": 20}, tasks[group][1], tasks[group][0], largest_n=30.0) for group, x in solved.items()
    ]
    short = [table({"gru": solved["short"], "lstm": 20}, (10,), "adding")] if "short" in solved else []
    return rows + short


def jittered(rows: pd.DataFrame, column: str, factor: float = 1.05) -> pd.DataFrame:
    """Multiply every other value by the factor and divide the others by it."""
    factors = np.where(np.arange(len(rows)) % 2, factor, 1 / factor)
    return rows.assign(**{column: rows[column] * factors})


def growth_table(norm: float, score: float, reset: float, **options) -> pd.DataFrame:
    """lstm_no_forget with this growth of its state norm, its score without and with an external reset."""
    rows = table({"lstm_no_forget": 10}, STREAM, "continual_adding", score=score, state_norm_first=2.0, **options)
    grown = jittered(rows.assign(state_norm_10=2 * norm), "state_norm_10")
    return pd.concat([grown, table({"lstm_no_forget": 10}, STREAM, "continual_adding+reset", score=reset, **options)])


def matched_flow_table(network: int, matched: int, lstm: int = 20, decay: float = 0.98, **options) -> pd.DataFrame:
    """`network`, `matched`: runs solved by single_network without and with a matched gradient flow; `decay`: its initial decay."""
    matched_rates = {"lstm+matched": lstm, "single_network+matched": matched}
    matched_rows = table(matched_rates, (20, 40, 80, 160), decay_init=0.98, **options)
    matched_rows.loc[matched_rows["cell"] == "single_network+matched", "decay_init"] = decay
    return pd.concat([table({"lstm": lstm, "single_network": network}, (20, 40, 80, 160), **options), matched_rows])


def cost_table(steps: dict[str, float], flops: dict[str, float], solved: int = 20, **options) -> pd.DataFrame:
    """`steps`, `flops`: cell -> steps to solve, of 1,000, and FLOPs per step."""
    rows = table(dict.fromkeys(steps, solved), RECALL, steps=1000.0, **options)
    rows["steps_to_solve"] = np.where(rows["solved"], rows["cell"].map(steps), 1000)
    return rows.assign(flops_per_step=rows["cell"].map(flops))


def equal_cells_table(cell: str, n: float, **options) -> pd.DataFrame:
    """A cell and lstm with equal solve rates in every group; the largest n is `n` and 30."""
    tasks = {"n_back": (1, 2), "adding": (5, 10, 20, 40, 80), "recall": RECALL, "continual_adding": STREAM}
    tasks |= {"temporal_order": RECALL, "copy": RECALL}
    rows = [table({cell: 19, "lstm": 19}, lags, task, **options) for task, lags in tasks.items()]
    counting = table({cell: 19, "lstm": 19}, (6, 9, 12), "counting", **options)
    largest_n = jittered(counting.assign(largest_n=np.where(counting["cell"] == cell, n, 30.0)), "largest_n")
    return pd.concat([*rows, largest_n])


def clamping_table(mean: float, event: float, probed: int = 5, **options) -> pd.DataFrame:
    """lstm with the scores under clamping of the first `probed` networks per arm."""
    tables = []
    for task, lags in (("recall", RECALL), ("flip_flop", (3, 6, 12))):
        for lag in lags:
            rows = arm("lstm", task, lag, 18, **options)
            is_probed = np.arange(len(rows)) < probed
            scores = {"clamp_none": 0.99, "clamp_mean": mean, "clamp_event": event}
            tables.append(rows.assign(**{name: np.where(is_probed, score, np.nan) for name, score in scores.items()}))
    return pd.concat(tables)
