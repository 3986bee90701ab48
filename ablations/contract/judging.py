"""The part of a task's contract that concerns loss, score, criterion and extra tests."""

import torch
from torch import Generator, Tensor

from ablations.contract import require
from tasks import Batch, Stream, Task
from tasks.base import Classification
from tasks.prediction import Prediction

METRICS = ("loss", "score", "solved")
"""The methods of a task that score outputs."""


def stream(task: Task, seed: int = 0, batch: int = 4, more: int = 5) -> Stream:
    """A stream of the lag `minimum_lag + more`."""
    return task.stream(Generator().manual_seed(seed), batch, task.minimum_lag + more)


def scored_windows(task: Task, seed: int = 0, sequences: int = 64, more: int = 5) -> Batch:
    """The scored windows of an evaluation, concatenated in time."""
    batch, warm_up, windows = task.evaluation(sequences, final=False)
    source = stream(task, seed, max(batch, sequences), more)
    for _ in range(warm_up):
        source.next()
    parts = [source.next() for _ in range(windows)]
    inputs, targets, weight = (torch.cat(field) for field in list(zip(*parts, strict=True))[:3])
    return Batch(inputs, targets, weight, {k: torch.cat([p.events[k] for p in parts]) for k in parts[0].events})


def perfect(task: Task, targets: Tensor, outputs: int) -> Tensor:
    """Outputs that match the targets at every step."""
    if isinstance(task, Classification):
        return 50 * torch.nn.functional.one_hot(targets, outputs).float()
    if isinstance(task, Prediction):
        return 100 * targets - 50
    return targets.clone()


def best_constant(task: Task, targets: Tensor, outputs: int) -> Tensor:
    """The outputs `[outputs]` with the smallest loss among those that are the same at all steps."""
    if isinstance(task, Classification):
        return (torch.bincount(targets, minlength=outputs) / len(targets)).log()
    mean = targets.mean(0)
    return mean.logit() if isinstance(task, Prediction) else mean


def same(a: Batch, b: Batch) -> bool:
    """Whether two batches have equal tensors, and the same events at the same steps."""
    if a.events.keys() != b.events.keys():
        return False
    tensors = [*zip(a[:3], b[:3], strict=True), *((a.events[name], b.events[name]) for name in a.events)]
    return all(torch.equal(x, y) for x, y in tensors)


def perfect_outputs_solve_the_task(cls: type[Task]) -> None:
    """Perfect outputs have loss 0 and score 1, and meet the criterion."""
    task = cls()
    batch = scored_windows(task)
    outputs = perfect(task, batch.targets, _width(task))
    loss, score = (metric(outputs, *batch[1:3]).item() for metric in (task.loss, task.score))
    require(abs(loss) < 1e-6, f"perfect outputs have a loss of {loss:.3g}: expected 0", "loss")
    require(abs(score - 1) < 1e-6, f"perfect outputs have a score of {score:.3g}: expected 1", "score")
    require(task.solved(outputs, *batch[1:3]).item() is True, "perfect outputs do not meet the criterion", "solved")


def trivial_loss_is_correct(cls: type[Task]) -> None:
    """The best constant output has the loss `trivial_loss` and score 0, and does not meet the criterion."""
    task = cls()
    for more in (8, 35):
        batch = scored_windows(task, sequences=2000, more=more)
        counted = batch.weight > 0
        outputs = best_constant(task, batch.targets[counted], _width(task, more)).expand(*counted.shape, -1)
        loss, trivial = task.loss(outputs, *batch[1:3]).item(), task.trivial_loss(task.minimum_lag + more)
        near = abs(loss - trivial) <= 0.06 * abs(trivial)
        message = f"the best constant output has a loss of {loss:.4g}: `trivial_loss` is {trivial:.4g}"
        require(near, message, "trivial_loss")
        score = task.score(outputs, *batch[1:3]).item()
        require(score < 0.05, f"the best constant output has a score of {score:.3g}: expected about 0", "score")
        require(not task.solved(outputs, *batch[1:3]), "the best constant output meets the criterion", "solved")


def only_weighted_steps_are_scored(cls: type[Task]) -> None:
    """Loss, score and criterion depend on the steps of weight 1 only, and the loss on all of them."""
    task = cls()
    batch = scored_windows(task)
    generator = Generator().manual_seed(0)
    outputs = torch.randn(*batch.weight.shape, _width(task), generator=generator, requires_grad=True)
    (gradient,) = torch.autograd.grad(task.loss(outputs, *batch[1:3]), outputs)
    require((gradient[batch.weight == 0] == 0).all(), "the loss depends on steps of weight 0", "loss")
    require(
        (gradient[batch.weight > 0] != 0).any(-1).all(), "the loss does not depend on all steps of weight 1", "loss"
    )
    changed = torch.where(batch.weight.unsqueeze(-1) > 0, outputs, outputs + 5)
    for name in METRICS:
        metric = getattr(task, name)
        equal = torch.equal(metric(outputs, *batch[1:3]), metric(changed, *batch[1:3]))
        require(equal, f"`{name}` depends on steps of weight 0", name)


def members_are_scored_independently(cls: type[Task]) -> None:
    """Loss, score and criterion of each member equal those of the member alone, and NaN outputs do not solve the task."""
    task = cls()
    batches = [scored_windows(task, seed) for seed in range(3)]
    noise = torch.randn(3, *batches[0].weight.shape, _width(task), generator=Generator().manual_seed(0))
    right = torch.stack([perfect(task, b.targets, _width(task)) for b in batches])
    outputs = right + torch.tensor([0, 0.1, 40.0]).view(3, 1, 1, 1) * noise
    _, *stacked = (torch.stack(field) for field in list(zip(*batches, strict=True))[:3])
    for name in METRICS:
        metric = getattr(task, name)
        # Targets per member, and the same targets for all members.
        separate, shared = metric(outputs, *stacked), metric(outputs, *batches[0][1:3])
        require(separate.shape == shared.shape == (3,), f"`{name}` of 3 members has shape {list(separate.shape)}", name)
        two_axes = metric(outputs.unsqueeze(0), *(x.unsqueeze(0) for x in stacked))
        separate_alone, shared_alone = (
            torch.stack([metric(outputs[k], *batches[b][1:3]) for k, b in enumerate(indices)])
            for indices in ((0, 1, 2), (0, 0, 0))
        )
        for values, expected in ((two_axes.squeeze(0), separate), (separate, separate_alone), (shared, shared_alone)):
            equal = torch.allclose(values.double(), expected.double(), rtol=1e-5, atol=1e-6)
            require(equal, f"`{name}` of a member differs when members are scored together", name)
    separated = task.solved(outputs, *stacked).tolist()[::2] == [True, False]
    require(separated, "`solved` is not true for right outputs and false for wrong ones", "solved")
    nan = torch.full_like(outputs[0], torch.nan)
    require(not task.solved(nan, *batches[0][1:3]), "NaN outputs meet the criterion", "solved")
    require(task.loss(nan, *batches[0][1:3]).isnan(), "the loss of NaN outputs is not NaN", "loss")


def extra_tests_tell_right_from_wrong(cls: type[Task]) -> None:
    """Extra tests depend on their generator alone, pass right outputs and fail wrong ones."""
    task, lag = cls(), cls().minimum_lag + 1
    first, again = (task.extra_tests(Generator().manual_seed(5), lag) for _ in range(2))
    for name, (windows, measure, least) in first.items():
        require(name.isidentifier(), f"the name of extra test {name!r} is not an identifier", "extra_tests")
        equal = all(same(one, other) for one, other in zip(windows, again[name].windows, strict=True))
        require(equal, f"extra test {name!r}: the same seed gives other sequences", "extra_tests")
        inputs, outputs = task.sizes(lag)
        fits = all(window.inputs.shape == (*window.weight.shape, inputs) for window in windows)
        require(fits, f"extra test {name!r}: the shape of its inputs is not [time, batch, {inputs}]", "extra_tests")
        _, targets, weight = (torch.cat(field) for field in list(zip(*windows, strict=True))[:3])
        right = perfect(task, targets, outputs)
        values = measure(torch.stack([right, -right]), targets.unsqueeze(0), weight.unsqueeze(0))
        separated = values.shape == (2,) and values.isfinite().all() and values[0] >= least > values[1]
        message = f"measures {values.tolist()} for right and wrong outputs; the least that passes is {least}"
        require(separated, f"extra test {name!r} {message}", "extra_tests")
        alone = measure(right, targets, weight)
        require(values[0] == alone, f"extra test {name!r} does not measure members independently", "extra_tests")


def _width(task: Task, more: int = 5) -> int:
    """The number of outputs at the lag `minimum_lag + more`."""
    return task.sizes(task.minimum_lag + more)[1]
