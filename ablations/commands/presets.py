"""`whygates sweep` without a study: the presets."""

from rich.console import Console
from rich.table import Table

from ablations.commands.estimates import StepTimer, estimate, load_warning
from ablations.commands.invocation import DEMO
from ablations.commands.sweep import default_workers
from ablations.commands.table import fitted
from ablations.engines.device import CPU
from ablations.studies.loading import load, presets
from ablations.sweeps.sizes import phase_sizes
from reports.format import count, duration


def list_presets(out: Console) -> None:
    """Print the question of each preset, its arms and networks, at most how long it takes here, and which one to start with.

    Times are rough: only the first arm of a preset is timed, and the others are taken to need as long per time step.
    """
    table, timer, workers = Table(), StepTimer("auto", CPU), default_workers(CPU)
    for column in ("study", "question", "arms", "networks", "at most"):
        table.add_column(column, justify="left" if column in ("study", "question") else "right", overflow="fold")
    found = sorted(presets().items(), key=lambda preset: preset[0] != DEMO)
    with out.status("reading the presets") as status:
        for number, (name, path) in enumerate(found, 1):
            status.update(f"timing training steps: {name} ({number} of {len(found)} presets)")
            study = load(str(path))
            arms = study.arms()
            networks = sum(sum(phase_sizes(arm).values()) for arm in arms)
            step = timer.seconds(arms[0])
            seconds = sum(sum(estimate(arm, step, 0)[:2]) for arm in arms) / workers
            label = f"{name} (start here)" if name == DEMO else name
            table.add_row(label, study.description, f"{len(arms):,}", f"{networks:,}", duration(seconds))
    out.print(fitted(table, out, ("arms", "networks")))
    out.print(f"At most, on {count(workers, 'worker')}: roughly, if no network solves its task early.", soft_wrap=True)
    if busy := load_warning():
        out.print(busy, soft_wrap=True)
    out.print(f"Start with:      whygates sweep {DEMO}   (`whygates demo` also writes its report)", soft_wrap=True)
    out.print("Time and disk:   whygates sweep STUDY --dry-run", soft_wrap=True)
