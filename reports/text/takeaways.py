"""The sentence above each figure: what it shows, from the same data. The caption below it says how it is read."""

from collections.abc import Callable, Sequence
from math import inf

from reports.aggregates.outcomes import Table, parts, pick
from reports.aggregates.probes import ALL_STEPS
from reports.format import count, duration, listed, number, percent
from reports.text.sentences import group_name

NAMED = 3
"""Most cells that are named together; more are counted, unless it is a single one."""
PANELS = 4
"""Most tasks or groups that a sentence describes; the figure has the others."""
NEAR = 0.8
"""A score of a network that has learned most of its task."""
TAIL, RISE = 0.1, 0.02
"""A curve still rises if its median gains at least RISE in the last TAIL of its steps."""


def reaches(found: Table) -> str:
    """The cells with the longest and the shortest reach on each task.

    :param found: task, cell, reach (a lag), relation: `=`, or `>` and `<` where the reach lies outside the study's lags.
    """
    sentences = []
    for (task,), rows in parts(found, ["task"]):
        reach = rows.set_index("cell")["reach"].astype(float)
        reach[rows.set_index("cell")["relation"] == ">"] = inf
        reach[rows.set_index("cell")["relation"] == "<"] = 0.0
        sentences.append(_extremes(f"reach on {task}", reach, _reach, ("longest", "shortest")))
    return _joined(sentences)


def _reach(lag: float) -> str:
    return {inf: "beyond the lags tried", 0.0: "below the lags tried"}.get(lag, f"lag {lag:.3g}")


def scores(confirm: Table) -> str:
    """How many networks miss their task narrowly."""
    failed = confirm.loc[~confirm["solved"], "score"].fillna(0.0)
    if failed.empty:
        return "All networks solve their task."
    return (
        f"Of {count(len(failed), 'network')} that {'does' if len(failed) == 1 else 'do'} not solve the task, "
        f"{percent((failed >= NEAR).mean())} have a score of at least {NEAR:g}."
    )


def solving(arms: Table) -> str:
    """The cells that solve each task in the fewest and in the most steps, at the longest lag that some cell solves in half of its runs.

    :param arms: task, lag, cell, median_steps (NaN where fewer than half of the networks solve the task).
    """
    sentences = []
    for (task,), rows in parts(arms[arms["median_steps"].notna()], ["task"]):
        lag = rows["lag"].max()
        steps, label = pick(rows, lag=lag).set_index("cell")["median_steps"], f"{task}, lag {lag:g}"
        if len(steps):
            never = pick(arms, task=task, lag=lag)["cell"].nunique() - len(steps)
            rest = f"; in {count(never, 'cell')} fewer than half solve it" if never else ""
            what = f"median time to solve {label}"
            sentences.append(_extremes(what, steps, lambda n: f"{n:,.0f} steps", ("longest", "shortest")) + rest)
    return _joined(sentences) or "On no task do half of a cell's networks solve it."


def rising(quartiles: Table) -> str:
    """The cells whose median score still rises at the end of training, so that more steps might help."""
    still = [
        f"{cell} on {task}, lag {lag:g}"
        for (task, lag, cell), curve in parts(quartiles, ["task", "lag", "cell"])
        if _gain(curve) >= RISE
    ]
    if not still:
        return "No median score still rises at the end of training."
    more = f" and {len(still) - 2 * NAMED} more" if len(still) > 2 * NAMED else ""
    return f"Still learning at the end of training: {'; '.join(still[: 2 * NAMED])}{more}."


def last(what: str, quartiles: Table, shown: Callable[[float], str] = number) -> str:
    """The cells with the highest and the lowest median at the end of their curves.

    :param what: what the curves show; begins each sentence.
    :param quartiles: task, lag, cell, step, middle.
    """
    sentences = []
    for label, rows in _at_compared_lags(quartiles):
        ends = _ends(rows, ["cell"]).set_index("cell")["middle"]
        sentences.append(_extremes(f"{what} on {label}", ends, shown))
    return _joined(sentences)


def profiles(found: Table) -> str:
    """The cells with the largest and the smallest share of networks with a score above 0.9, in each group of tasks.

    :param found: performance profiles: task (here a group of tasks), cell, step (a score), middle (the share above it).
    """
    high = found[(found["step"] - 0.9).abs() < 1e-9]
    sentences = [
        _extremes(f"networks with a score above 0.9 on {task} tasks", rows.set_index("cell")["middle"], percent)
        for (task,), rows in parts(high, ["task"])
    ]
    return _joined(sentences)


def improvements(found: Table, over: str) -> str:
    """The cells that are clearly better or worse than the cell `over`, in each group of tasks: with an interval that excludes one half.

    :param found: group, cell, low, high: the interval of the probability of a higher score, as
        `reports.aggregates.profiles.improvements` returns it.
    """
    sentences = []
    for (group,), rows in parts(found, ["group"]):
        better, worse = rows.loc[rows["low"] > 0.5, "cell"], rows.loc[rows["high"] < 0.5, "cell"]
        sentences.append(
            f"{group_name(group)} tasks: clearly better than {over}: {_names(better) or 'none'}; "
            f"clearly worse: {_names(worse) or 'none'}"
        )
    return _joined(sentences)


def speeds(found: Table) -> str:
    """The cell of each task whose success depends most on its hyperparameters."""
    shares = found.pivot_table(index=["task", "cell"], columns="phase", values="share", sort=False)
    if not {"confirm", "tune"} <= {*shares}:
        return ""
    shares["gap"] = shares["confirm"] - shares["tune"]
    sentences = []
    for (task,), rows in parts(shares.dropna().reset_index(), ["task"]):
        row = rows.loc[rows["gap"].idxmax()]
        sentences.append(
            f"on {task} tuning matters most for {row['cell']}: {percent(row['tune'])} of its trials and "
            f"{percent(row['confirm'])} of its confirmation networks solve it"
        )
    return _joined(sentences)


def costs(points: Table) -> str:
    """The cell that is trained in the shortest time, of those that solve nearly as much as the best."""
    good = points[(points["rate"] >= points["rate"].max() - 0.1) & (points["seconds"] > 0)]
    if good.empty:
        return ""
    row = good.loc[good["seconds"].idxmin()]
    return (
        f"Of the cells whose solve rate in this figure is within 10 points of the highest, {row['cell']} takes the shortest time: "
        f"{duration(row['seconds'])} per network."
    )


def gates(found: Table) -> str:
    """The gate or candidate whose mean differs most between events."""
    ranges = []
    for (task, cell, gate), rows in parts(found[found["event"] != ALL_STEPS], ["task", "cell", "gate"]):
        low, high = rows.loc[rows["mean"].idxmin()], rows.loc[rows["mean"].idxmax()]
        ends = [f"{row['mean']:.2f} at {str(row['event']).replace('other', 'other steps')}" for row in (low, high)]
        ranges.append((high["mean"] - low["mean"], f"{gate} of {cell} on {task} (mean {ends[0]}, {ends[1]})"))
    return f"The gate or candidate that depends most on the events: {max(ranges)[1]}." if ranges else ""


def learning_rates(tune: Table) -> str:
    """The learning rates of the trials that solved their task."""
    solved = tune.loc[tune["solved"], "learning_rate"]
    if solved.empty:
        return "No trial solved its task."
    low, high = solved.quantile([0.25, 0.75])
    return f"Half of the {count(len(solved), 'trial')} that solved their task had learning rates from {low:.2g} to {high:.2g}."


def importance(shares: Table) -> str:
    """The hyperparameter that explains most of the variance of the objective.

    :param shares: setting, share, noise, for each task and cell: see `reports.aggregates.tuning.importance`.
    """
    medians = shares.groupby("setting", sort=False)[["share", "noise"]].median().sort_values("share", ascending=False)
    medians = medians[medians["share"] > medians["noise"]]
    if medians.empty:
        return "No hyperparameter explains more of the variance than chance would, in the median over cells and tasks."
    name = str(medians.index[0]).replace("_", " ")
    return f"The {name} explains most: {percent(medians['share'].iloc[0])} of the variance, in the median over cells and tasks."


def best_of(curves: Table) -> str:
    """What several trials gain over one."""
    n = int(curves["step"].max())
    whole = [curve.sort_values("step")["middle"] for _, curve in parts(curves, ["task", "cell"])]
    gains, final = zip(*((c.iloc[-1] - c.iloc[0], c.iloc[-1] - c.iloc[-2]) for c in whole if len(c) == n), strict=True)
    return (
        f"The best of {n} trials gains {sum(gains) / len(gains):.2f} over a single one, in the mean over cells and tasks; the "
        f"last trial {sum(final) / len(final):.2f} of that."
    )


def _gain(curve: Table) -> float:
    """What the median of a curve gains in the last TAIL of its steps."""
    curve = curve.sort_values("step")
    before = curve[curve["step"] <= (1 - TAIL) * curve["step"].max()]
    return float(curve["middle"].iloc[-1] - before["middle"].iloc[-1]) if len(before) else 0.0


def _ends(curves: Table, by: list[str]) -> Table:
    """The last point of each curve, in order of appearance."""
    curves = curves.reset_index(drop=True)
    return curves.loc[curves.groupby(by, sort=False)["step"].idxmax()]


def _at_compared_lags(curves: Table) -> list[tuple[str, Table]]:
    """The curves of each task at the longest lag at which a median ends above one half, or at its longest lag, with a label."""
    compared = []
    for (task,), rows in parts(curves, ["task"]):
        ends = _ends(rows, ["cell", "lag"])
        learned = ends.loc[ends["middle"] >= 0.5, "lag"]
        lag = (learned if len(learned) else ends["lag"]).max()
        compared.append((f"{task}, lag {lag:g}", pick(rows, lag=lag)))
    return compared


def _extremes(
    what: str, values: Table, text: Callable[[float], str], words: tuple[str, str] = ("highest", "lowest")
) -> str:
    """`what: highest in A and B (text of their value), lowest in C (text of its value)`.

    :param values: a series of numbers by cell.
    """
    if values.nunique() == 1:
        return f"{what}: {text(values.iloc[0])} in {_names(values.index)}"
    ends = zip(words, (values.max(), values.min()), strict=True)
    return f"{what}: " + ", ".join(
        f"{word} in {_names(values.index[values == end])} ({text(end)})" for word, end in ends
    )


def _names(cells: Sequence[str] | Table) -> str:
    names = list(dict.fromkeys(cells))
    if len(names) > NAMED + 1:
        names = [*names[:NAMED], count(len(names) - NAMED, "other")]
    return listed(names)


def _joined(sentences: Sequence[str]) -> str:
    return " ".join(f"{text[:1].upper()}{text[1:]}." for text in sentences[:PANELS])
