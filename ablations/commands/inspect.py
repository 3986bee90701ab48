"""`whygates inspect`: probe one confirmed member again from its saved weights, plot the curves, print a summary."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from rich.console import Console
from rich.table import Table

from ablations.commands.report import writing
from ablations.errors import InputError
from ablations.probes import measure
from ablations.studies.loading import validation_messages
from ablations.studies.study import Arm
from ablations.sweeps.probing import ONE_PER_SEARCH, all_curves, trained_members
from ablations.sweeps.sizes import build_model
from ablations.sweeps.store import Store
from ablations.tracking.runs import MemberRun, find_member
from ablations.training import torch_state
from ablations.training.result import Member
from ablations.training.snapshots import read
from reports import output
from reports.figures.member import panel_figures
from reports.figures.style import figure_style, svg

Curves = Mapping[str, Sequence[tuple[int, float]]]

PROBES = ("flow", "retention", "gates", "decode")
"""The probes that are run again. Those that train are not: their stored findings are shown."""


def inspect_member(prefix: str, store_folder: Path, folder: Path, out: Console) -> None:
    """Probe, plot and summarise the confirmed member whose run id or hash starts with `prefix`.

    Figures are written to a folder named after the member's hash, in `folder`. Raises InputError.
    """
    store = Store.open(store_folder)
    run = find_member(store, prefix)
    target = folder / run.hash
    with writing(target):
        output.check(target)
    if not store.local and not store.weights_path(run.hash).exists():
        raise InputError(
            f"--store {store_folder}: the weights of {run.hash} are only in the store that it was trained in"
        )
    weights, metadata = read(store.weights_path(run.hash))
    arm, member = _arm(metadata["arm"]), Member(**metadata["member"])
    model = build_model(arm)
    shapes = {name: (weight.rows, weight.columns) for name, weight in model.shapes.items()}
    if shapes != {name: tuple(weight.shape) for name, weight in weights.end.items()}:
        raise InputError(
            f"run {prefix!r}: the source of {arm.cell.cell} or {arm.task.name} has changed, and the saved weights no "
            "longer fit"
        )
    result = store.get(run.hash)
    if result is None:
        raise InputError(f"run {prefix!r}: its result is not in {store.members}")
    with out.status("running the probes"), torch_state.standard():
        (probed,) = measure(trained_members(arm, model, [member], [weights], [run.solved]), PROBES, trace=[0])
    stored = store.findings(run.hash)
    findings = {probe: stored[probe] for probe in ONE_PER_SEARCH if probe in stored} | {"probed": probed._asdict()}
    if arm.member_hash(member.settings, member.seed) != run.hash:
        out.print(
            f"Note: the source of {arm.cell.cell} or {arm.task.name} has changed since this network was trained.",
            soft_wrap=True,
        )
    _plot(all_curves(result, findings), f"{arm} · seed {member.seed}", target)
    metrics = result["metrics"] | {name: value for f in findings.values() for name, value in f["metrics"].items()}
    out.print(_summary(arm, run, result, metrics))
    if gates := _gate_table(probed.curves):
        out.print(gates)
    out.print(f"Figures:     {target}", soft_wrap=True)


def _arm(saved: dict[str, Any]) -> Arm:
    """The arm that a file of weights belongs to. Raises InputError when its cell or task is not registered."""
    try:
        return Arm.model_validate(saved)
    except ValidationError as error:
        problems = "; ".join(validation_messages("its study", error))
        raise InputError(f"{problems} (give the files of plug-ins with --plugin FILE)") from None


def _plot(plotted: Curves, title: str, folder: Path) -> None:
    with figure_style():
        figures = {f"{name}.svg": svg(figure) for name, figure in panel_figures(plotted, title).items()}
    with writing(folder):
        output.write(folder, figures)


def _summary(arm: Arm, run: MemberRun, result: dict[str, Any], metrics: dict[str, Any]) -> Table:
    table = Table(title=str(arm), show_header=False)
    table.add_column(overflow="fold")
    table.add_column(overflow="fold")
    step = f"{result['status']} at step {metrics['finished_at']} of {metrics['steps']}"
    table.add_row("network", f"{run.hash}, seed {result['seed']}, run {run.id}")
    table.add_row("size", f"{result['hidden_size']} units, {result['parameters']:,} parameters")
    table.add_row("hyperparameters", ", ".join(f"{name} {value}" for name, value in result["settings"].items()))
    table.add_row("training", f"{step}, score {metrics['score']:.3f}")
    for title, names in _FINDINGS.items():
        values = [f"{_qualifier(name)}{metrics[name]:.3g}" for name in names if name in metrics]
        if values:
            table.add_row(title, ", ".join(values))
    return table


def _gate_table(gate_curves: Curves) -> Table | None:
    """The mean of each gate at each event, with the shares of values near 0 and near 1; None without gates."""
    means = [name.split("/")[1:3] for name in gate_curves if name.startswith("gate/") and name.endswith("/mean")]
    events = list(dict.fromkeys(event for _, event in means))
    table = Table("gate", *events, title="gates by event: mean (share near 0, near 1)")
    for gate in dict.fromkeys(gate for gate, _ in means):
        row = []
        for event in events:
            values = [gate_curves.get(f"gate/{gate}/{event}/{part}") for part in ("mean", "low", "high")]
            row.append("{:.2f} ({:.2f}, {:.2f})".format(*(v[-1][1] for v in values if v)) if all(values) else "")
        table.add_row(gate, *row)
    return table if means else None


def _qualifier(name: str) -> str:
    """The last part of the name of a metric that shares its row with others."""
    return f"{name.rpartition('_')[2]} " if name.split("_")[0] in ("decay", "clamp") else ""


_FINDINGS = {
    "gradient factor per step": ("decay_init", "decay_half", "decay_end"),
    "perturbation remaining after the lag": ("retained",),
    "time constant": ("time_constant",),
    "decoding accuracy of the stored value, above chance": ("decodability",),
    "score with clamped gates": ("clamp_none", "clamp_mean", "clamp_event", "clamp_shuffled"),
    "score of the distilled network": ("distilled",),
}
