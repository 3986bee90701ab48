"""An independent implementation of the embedded Reber grammar: an automaton after the figure in the paper."""

EDGES = {
    ("inside", "B"): "0",
    ("0", "T"): "top", ("0", "P"): "bottom",
    ("top", "S"): "top", ("top", "X"): "upper",
    ("bottom", "T"): "bottom", ("bottom", "V"): "lower",
    ("upper", "S"): "exit", ("upper", "X"): "bottom",
    ("lower", "V"): "exit", ("lower", "P"): "upper",
    ("exit", "E"): "outside",
}  # fmt: skip


def read(text: str) -> tuple[list[set[str]], list[int], list[str]]:
    """The symbols that may follow each one, the steps before the outer symbol returns, and the inner strings.

    `text` is one embedded string after the other; the last may be cut. Raises KeyError if it is not of the grammar."""
    legal, returns, inner = [], [], []
    state, outer = "start", ""
    for step, symbol in enumerate(text):
        if state == "start":
            state = {"B": "outer"}[symbol]
        elif state == "outer":
            state, outer = {"T": "inside", "P": "inside"}[symbol], symbol
            inner.append("")
        elif state == "outside":
            state = {outer: "end"}[symbol]
        elif state == "end":
            state = {"E": "start"}[symbol]
        else:
            state = EDGES[state, symbol]
            inner[-1] += symbol
        if state == "outside":
            returns.append(step)
        fixed = {"start": "B", "outer": "TP", "outside": outer, "end": "E"}
        legal.append(set(fixed.get(state, "".join(s for at, s in EDGES if at == state))))
    return legal, returns, inner
