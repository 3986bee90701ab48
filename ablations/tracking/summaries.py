"""What the networks of an arm, or of a study, have in common: metrics of the run of the arm or the study."""

from collections.abc import Iterable
from statistics import fmean, median

from mlflow.entities import Run


def summary(members: Iterable[Run]) -> dict[str, float]:
    """The share of confirmed networks that solved the task, their median score and steps, and the training time of all networks.

    The steps of a network that did not solve the task are those of its budget.
    """
    metrics = [(run.data.tags["phase"], run.data.metrics) for run in members]
    confirmed = [values for phase, values in metrics if phase == "confirm"]
    found = {"networks": float(len(metrics)), "seconds": sum(values["seconds"] for _, values in metrics)}
    if confirmed:
        found["solve_rate"] = fmean(values["solved"] for values in confirmed)
        found["median_steps_to_solve"] = median(values["steps_to_solve"] for values in confirmed)
        found["median_score"] = median(values["score"] for values in confirmed)
    return found
