"""Next-symbol prediction: which symbols may follow. What the tasks on formal languages share."""

from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import binary_cross_entropy, binary_cross_entropy_with_logits

from tasks.base import Task, mean


class Prediction(Task):
    """At every step, say the set of symbols that the language allows next.

    Outputs are log odds, one for each symbol; targets are 1 for the symbols that may follow, 0 for the others. The loss
    is the surprise at the set in nats: the binary cross-entropy, summed over symbols. A step is right where the symbols
    of probability above ½ are those that may follow and no others. `solved`: every step that counts is right.

    The papers train on the symbol that does follow, whose probability is at most ½ where two may, and then call a step
    right by the ranks or the errors of the outputs. The set is what that target says on average, without its noise.
    """

    criterion = "at every step of the test sequences the symbols that may follow are above ½, and no others"

    def loss(
        self,
        outputs: Float[Tensor, "*members time batch symbols"],
        targets: Float[Tensor, "*#members time batch symbols"],
        weight: Float[Tensor, "*#members time batch"],
    ) -> Float[Tensor, "*members"]:
        surprise = binary_cross_entropy_with_logits(outputs, targets.expand_as(outputs), reduction="none")
        return mean(surprise.sum(-1), weight)

    def right(
        self,
        outputs: Float[Tensor, "*members time batch symbols"],
        targets: Float[Tensor, "*#members time batch symbols"],
    ) -> Bool[Tensor, "*members time batch"]:
        """Where the set is said, the whole set and nothing but the set."""
        return (outputs * (2 * targets - 1) > 0).all(-1)  # false where an output is not a number

    def solved(
        self,
        outputs: Float[Tensor, "*members time batch symbols"],
        targets: Float[Tensor, "*#members time batch symbols"],
        weight: Float[Tensor, "*#members time batch"],
    ) -> Bool[Tensor, "*members"]:
        return (self.right(outputs, targets) | (weight == 0)).flatten(-2).all(-1)


def surprise(share: Float[Tensor, " symbols"]) -> float:
    """The loss of the best constant, where each symbol may follow at a share of the steps: Σ of the binary entropies."""
    return binary_cross_entropy(share, share, reduction="sum").item()
