"""Cells outside the catalogue whose step is a function that a test writes."""

from ablations.cells import Cell, Weight


class StepCell(Cell):
    """A base class with an input matrix W, recurrent matrices U and V, and a vector a."""

    def weights(self, inputs, hidden):
        square = Weight(hidden, hidden, "uniform")
        return {"W": Weight(inputs, hidden, "uniform"), "U": square, "V": square, "a": Weight(1, hidden, "zeros")}

    def drive(self, w, x):
        return {"x": x @ w["W"]}

    def step(self, w, drive, state, tap):
        return {"h": self.new_h(w, drive["x"], state["h"])}


def cell_from_step(new_h, name="from_step"):
    """Return a cell whose new state is `new_h(w, x, h)`, where x is the driven input x W."""
    kind = type("FromStep", (StepCell,), {"new_h": staticmethod(new_h)})
    kind.name = name  # set after the class is defined, so that it is not registered in the catalogue
    return kind()


def cell_from_two_part_step(new_parts):
    """Return a cell of two state parts, whose new values are `new_parts(w, x, c, h)`."""

    class TwoParts(StepCell):
        state = ("c", "h")

        def step(self, w, drive, state, tap):
            return dict(zip(self.state, new_parts(w, drive["x"], state["c"], state["h"]), strict=True))

    TwoParts.name = "two_parts"
    return TwoParts()
