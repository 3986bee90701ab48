"""The contract of tasks: every check can fail. tests/tasks/test_contract.py runs the checks on every task."""

import pytest

from ablations.contract import plugins, tasks
from tests.ablations.contract.example_plugins import TASK, edited_copy, failures, line_number

pytestmark = pytest.mark.usefixtures("registries")

VIOLATIONS = {
    "options_are_keywords": ("self, *, symbols", "self, symbols", "def __init__", "option 'symbols' has to be a keyword-only argument"),
    "declares_metadata": ('lag_means = "', 'lag_is = "', "class", "`lag_means` is missing"),
    "batches_have_the_declared_form": ("match.long().expand(T, batch).contiguous()", "match.long()", "def sample", "targets of a batch: [1], torch.int64; expected [53, 1]"),
    "docstring_is_complete": ("        b.......b [1]", "        b.......b [0]", "class", "the example in line 25 is wrong: got b.......b [1]; c......"),
    "refuses_invalid_lags": ("self.checked(lag) + TAIL", "lag + TAIL", "def steps", "at lag 0, `steps` raises no ValueError"),
    "batches_depend_on_the_generator_alone": ("torch.rand(batch, generator=generator)", "torch.rand(batch)", "def sample", "the same seed gives other batches"),
    "streams_are_resumable": ("    def solved", "    def stream(self, *given):\n        made = super().stream(*given)\n        made.state = lambda: {}\n        made.load = lambda _: None\n        return made\n\n    def solved", "def stream", "does not continue from it"),
    "splits_share_no_sequence": ("    def solved", "    def split_stream(self, split, generator, batch, lag):\n        return self.stream(generator, batch, lag)\n\n    def solved", "def split_stream", "the splits 'train' and 'validation' share sequences"),
    "evaluation_has_the_requested_size": ("    def solved", "    def evaluation(self, sequences, final):\n        return 64, 0, 1\n\n    def solved", "def evaluation", "`evaluation(123, final=False)` is (64, 0, 1): expected (123, 0, 1)"),
    "perfect_outputs_solve_the_task": ("> 0.99", "> 1", "def solved", "perfect outputs do not meet the criterion"),
    "trivial_loss_is_correct": ("math.log(2)", "math.log(3)", "def trivial_loss", "the best constant output has a loss of 0.69"),
    "only_weighted_steps_are_scored": ("    def solved", "    def loss(self, outputs, targets, weight):\n        return super().loss(outputs, targets, torch.ones_like(weight))\n\n    def solved", "def loss", "the loss depends on steps of weight 0"),
    "members_are_scored_independently": ("weight) > 0.99", "weight).mean() > 0.99", "def solved", "`solved` of 3 members has shape []"),
    "extra_tests_tell_right_from_wrong": ("    def solved", '    def extra_tests(self, generator, lag):\n        from tasks.base import ExtraTest\n\n        easy = lambda outputs, *_: outputs.mean((-3, -2, -1)) * 0 + 1\n        return {"easy": ExtraTest([self.sample(generator, 4, lag)], easy, 0.5)}\n\n    def solved', "def extra_tests", "measures [1.0, 1.0] for right and wrong outputs"),
    "does_not_reset_by_default": ("    def solved", '    def reset(self, events):\n        return events["sample"]\n\n    def solved', "def reset", "without options, `reset` is not None"),
    "refuses_invalid_options": ('whole("symbols",', 'whole("size",', "def __init__", "option 'symbols' accepts None, or its message is not"),
}  # fmt: skip
"""By check: a replacement in the example task that violates it, the line of the violation, and the message."""


def test_the_example_task_fulfils_the_contract():
    (kind,) = plugins.defined(TASK)
    assert failures(kind, tasks.CHECKS) == {}


@pytest.mark.parametrize("check", VIOLATIONS)
def test_a_violation_is_reported_with_its_line(check, tmp_path):
    old, new, start, message = VIOLATIONS[check]
    mine = edited_copy(TASK, tmp_path, old, new)
    (kind,) = plugins.defined(mine)
    messages = failures(kind, [getattr(tasks, check)])
    assert messages[check].startswith(f"{mine}:{line_number(mine, start)}: ")
    assert message in messages[check]


def test_every_check_has_a_violation():
    assert VIOLATIONS.keys() == {check.__name__ for check in tasks.CHECKS}
