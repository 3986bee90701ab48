"""Next-symbol prediction: the base class of the tasks on formal languages."""

from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import binary_cross_entropy, binary_cross_entropy_with_logits

from tasks.base import FlagPerMember, Outputs, PerMember, Task, ValueTargets, Weight, mean


class Prediction(Task):
    """Prediction, at every step, of the set of symbols that the language allows next.

    Outputs are one logit per symbol. Targets are 1 for the symbols that may follow and 0 for the others. The loss is the
    binary cross-entropy in nats, summed over symbols. A step is correct if the symbols of probability above ½ are exactly
    those that may follow. `solved`: in more than 99 % of the sequences, every step that counts is correct.

    The papers train on the symbol that does follow, whose probability is at most ½ where two may follow, and define a
    correct step by the ranks or the errors of the outputs. The set is the expectation of that target, without its noise.
    """

    criterion = "in more than 99 % of the test sequences, exactly the symbols that may follow have a probability above ½ at every step"

    def loss(self, outputs: Outputs, targets: ValueTargets, weight: Weight) -> PerMember:
        losses = binary_cross_entropy_with_logits(outputs, targets.expand_as(outputs), reduction="none")
        return mean(losses.sum(-1), weight)

    def correct(self, outputs: Outputs, targets: ValueTargets) -> Bool[Tensor, "*members time batch"]:
        """Return the steps at which exactly the symbols that may follow have a probability above ½."""
        return (outputs * (2 * targets - 1) > 0).all(-1)  # false where an output is not a number

    def solved(self, outputs: Outputs, targets: ValueTargets, weight: Weight) -> FlagPerMember:
        return (self.correct(outputs, targets) | (weight == 0)).all(-2).float().mean(-1) > 0.99


def best_constant_loss(shares: Float[Tensor, " symbols"]) -> float:
    """Return the loss of the best constant: the sum of binary entropies of the share of steps at which each symbol may follow."""
    return binary_cross_entropy(shares, shares, reduction="sum").item()
