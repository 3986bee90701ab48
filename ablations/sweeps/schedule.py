"""The order in which a sweep trains its arms, and the arms that it skips because no network solves a shorter lag."""

from collections.abc import Iterator, Sequence

from ablations.studies.study import Arm


class Schedule:
    """Arms that wait to be trained, in the study's order.

    An arm of a task with `until_unsolved` waits for the arm of the same cell, task and size at the next shorter lag of the
    study. It is skipped if no network of that one solved the task, or if that one was skipped. Where the sweep does not train
    the shorter lag, or failed to, the arm is trained. So the arms that are skipped do not depend on the number of workers.
    """

    def __init__(self, arms: Sequence[Arm], study_arms: Sequence[Arm]) -> None:
        """:param study_arms: every arm of the study, which decide what the next shorter lag is."""
        self.waiting = list(arms)
        # An arm's hash is computed from its content: not several times a second for each.
        self._arms = {id(arm): (arm.hash, arm) for arm in arms}
        swept = {key for key, _ in self._arms.values()}
        self.shorter = {key: lag for key, lag in _shorter_lags(study_arms) if key in swept and lag in swept}
        """The arm at the next shorter lag, by hash; only of arms that depend on it."""
        self.solved: dict[str, bool] = {}
        """Whether any network of an ended arm solved its task, by hash; true where that is not known."""

    def ended(self, arm: Arm, solved: bool) -> None:
        """Record that an arm ended."""
        self.solved[self._hash(arm)] = solved

    def skipped(self) -> list[Arm]:
        """Remove and return the arms that are not trained."""
        found = []
        for arm in list(self.waiting):
            if self.solved.get(self.shorter.get(self._hash(arm), "")) is False:
                self.waiting.remove(arm)
                self.solved[self._hash(arm)] = False
                found.append(arm)
        return found

    def next(self) -> Arm | None:
        """Remove and return the first arm that waits for no other; None if there is none."""
        for index, arm in enumerate(self.waiting):
            if (key := self._hash(arm)) not in self.shorter or self.shorter[key] in self.solved:
                return self.waiting.pop(index)
        return None

    def _hash(self, arm: Arm) -> str:
        known = self._arms.get(id(arm))
        return known[0] if known else arm.hash


def _shorter_lags(arms: Sequence[Arm]) -> Iterator[tuple[str, str]]:
    """The hashes of each arm with `until_unsolved` and of the one at the next shorter lag."""
    curves: dict[tuple[str, str, int], list[Arm]] = {}
    for arm in sorted(arms, key=lambda arm: arm.lag):
        before = curves.setdefault((arm.cell.label, arm.task.label, arm.size), [])
        if arm.task.until_unsolved and before:
            yield arm.hash, before[-1].hash
        before.append(arm)
