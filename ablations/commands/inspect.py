"""What `whygates inspect` does: one network, from its stored weights, asked again, drawn and summed up."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from mlflow.entities import Run
from pydantic import ValidationError
from rich.console import Console
from rich.table import Table

from ablations.errors import InputError
from ablations.probes import measure
from ablations.studies.study import Arm, sentences
from ablations.sweeps.arm import build_model
from ablations.sweeps.probing import ONE_PER_SEARCH, all_curves, trained_members
from ablations.sweeps.store import Store
from ablations.tracking.tracker import Tracker
from ablations.training.result import Member
from ablations.training.snapshots import read

ASKED = ("flow", "retention", "gates", "decode")


def inspect(name: str, store: Store, folder: Path, out: Console) -> None:
    """Ask, draw and sum up the member that a run's id, its own hash, or the beginning of one of them names.

    Figures go into `folder`, below the member's hash. Raises InputError.
    """
    run = _find(store, name)
    tags = run.data.tags
    if tags.get("kind") != "member":
        raise InputError(
            f"run {name!r} is that of {'an arm' if tags.get('kind') == 'arm' else 'a study'}: name a member's"
        )
    if tags["phase"] != "confirm":
        raise InputError(f"run {name!r} is a trial of a search: only confirmed networks keep their weights")
    if tags["status"] == "diverged":
        raise InputError(f"run {name!r} diverged: there are no weights to look at")
    kept, about = read(store.weights_path(tags["hash"]))
    arm, member = _arm(about["arm"]), Member(**about["member"])
    model = build_model(arm)
    shapes = {name: (weight.rows, weight.columns) for name, weight in model.shapes.items()}
    if shapes != {name: tuple(w.shape) for name, w in kept.end.items()}:
        raise InputError(f"run {name!r}: {arm.cell.cell} or {arm.task.name} has changed: its weights no longer fit")
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)  # as when the sweep asked it
    asked = trained_members(arm, model, [member], [kept], [tags["status"] == "solved"])
    (found,) = measure(asked, ASKED, trace=[0])
    stored = store.findings(tags["hash"])
    findings = {**{probe: stored[probe] for probe in ONE_PER_SEARCH if probe in stored}, "again": found._asdict()}
    result = store.get(tags["hash"])
    if result is None:
        raise InputError(f"run {name!r}: its result is not in {store.members}")
    if arm.member(member.settings, member.seed) != tags["hash"]:
        out.print(f"note: {arm.cell.cell} or {arm.task.name} has changed since this network was trained")
    figures = _draw(all_curves(result, findings), f"{arm} · seed {member.seed}", folder / tags["hash"])
    _show(arm, tags["hash"], run.info.run_id, result, findings, kept.half_step, out)
    out.print(f"Figures:     {figures}", soft_wrap=True, highlight=False)


def _find(store: Store, name: str) -> Run:
    """The run whose id, or whose member's hash, is `name` or begins so. Raises InputError when there is not just one."""
    client = Tracker(store, "no study").client  # a name that no study can have: only the store is looked at
    runs: dict[str, Run] = {}
    if re.fullmatch("[0-9a-f]+", name):
        everywhere = [experiment.experiment_id for experiment in client.search_experiments()]
        for where in (f"attributes.run_id LIKE '{name}%'", f"tags.hash LIKE '{name}%'"):
            found = client.search_runs(everywhere, where, max_results=1000)
            runs |= {run.data.tags.get("hash", run.info.run_id): run for run in found}
    if len(runs) == 1:
        return next(iter(runs.values()))
    if runs:
        raise InputError(
            f"run {name!r}: {len(runs)} begin so: {', '.join(sorted(runs)[:5])}{', ...' * (len(runs) > 5)}"
        )
    raise InputError(f"run {name!r}: there is none in {store.folder}; the UI shows ids, and results.csv has hashes")


def _arm(about: dict[str, Any]) -> Arm:
    """The arm that a file of weights belongs to. Raises InputError when its cell or task is not there."""
    try:
        return Arm.model_validate(about)
    except ValidationError as error:
        said = "; ".join(sentences("its study", error))
        raise InputError(f"{said} (a plug-in's cells and tasks are known with --plugin FILE)") from None


def _draw(shown: Mapping[str, Sequence[tuple[int, float]]], title: str, folder: Path) -> Path:
    from reports.figures.member import panel_figures
    from reports.figures.style import figure_style, svg

    try:
        folder.mkdir(parents=True, exist_ok=True)
        with figure_style():
            for name, figure in panel_figures(shown, title).items():
                (folder / f"{name}.svg").write_text(svg(figure), encoding="utf-8")
    except OSError as error:
        raise InputError(f"--out {folder}: cannot be written to: {error.strerror}") from None
    return folder


def _show(
    arm: Arm, member: str, run_id: str, result: dict[str, Any], findings: dict[str, Any], half: int, out: Console
) -> None:
    metrics = result["metrics"] | {k: v for found in findings.values() for k, v in found["metrics"].items()}
    table = Table(title=str(arm), show_header=False)
    table.add_column(overflow="fold")
    table.add_column(overflow="fold")
    settings = ", ".join(f"{name} {value}" for name, value in result["settings"].items())
    ended = f"{result['status']} at step {metrics['finished_at']} of {metrics['steps']}, score {metrics['score']:.3f}"
    table.add_row("network", f"{member}, seed {result['seed']}, run {run_id}")
    table.add_row("size", f"{result['hidden_size']} units, {result['parameters']:,} parameters")
    table.add_row("hyperparameters", settings)
    table.add_row("ended", ended)
    for words, names in _FINDINGS.items():
        if known := [f"{_word(name)}{metrics[name]:.3g}" for name in names if name in metrics]:
            table.add_row(words.format(half=half), ", ".join(known))
    out.print(table)
    if gates := _gates(findings["again"]["curves"]):
        out.print(gates)


def _gates(found: Mapping[str, Sequence[tuple[int, float]]]) -> Table | None:
    """How open each gate is at each event, and the shares of values near 0 and 1."""
    opened = [metric.split("/")[1:3] for metric in found if metric.startswith("gate/") and metric.endswith("/mean")]
    events = list(dict.fromkeys(event for _, event in opened))
    table = Table("gate", *events, title="gates by event: mean (share near 0, near 1)")
    for gate in dict.fromkeys(gate for gate, _ in opened):
        cells = []
        for event in events:
            values = [found.get(f"gate/{gate}/{event}/{part}") for part in ("mean", "low", "high")]
            cells.append("{:.2f} ({:.2f}, {:.2f})".format(*(v[-1][1] for v in values if v)) if all(values) else "")
        table.add_row(gate, *cells)
    return table if opened else None


def _word(name: str) -> str:
    """What tells a finding from its neighbours: the last part of its name."""
    return f"{name.rpartition('_')[2]} " if "_" in name and name.split("_")[0] in ("decay", "clamp") else ""


_FINDINGS = {
    "gradient left per step": ("decay_init", "decay_half", "decay_end"),
    "perturbation left after the lag": ("retained",),
    "time constant": ("time_constant",),
    "stored value decodable, above chance": ("decodability",),
    "score with gates clamped": ("clamp_none", "clamp_mean", "clamp_event", "clamp_shuffled"),
    "score distilled": ("distilled",),
}
