"""The cells and tasks of `synthetic_study`, and how hard each task is for a cell."""

CELLS = {
    "rnn": (None, "", "Elman 1990", [], 66),
    "single_network": ("lstm", "one network computes the new memory: c' = MLP(x, h, c)", "the question", ["o"], 33),
    "lstm_no_forget": ("lstm", "no forget gate: c' = c + i ⊙ z", "Hochreiter & Schmidhuber 1997", ["i", "z", "o"], 38),
    "lstm": (None, "", "Gers, Schmidhuber & Cummins 2000", ["i", "f", "z", "o"], 33),
    "gru": (None, "", "Cho et al. 2014", ["r", "z", "n"], 38),
}
TASKS = {
    "recall": {
        "task": "recall",
        "group": "latch",
        "lag_means": "least steps between cue and query",
        "criterion": "accuracy above 99 % on the test set",
        "reference": "after Hochreiter & Schmidhuber 1997",
        "options": {},
    },
    "continual_adding": {
        "task": "continual_adding",
        "group": "erase",
        "lag_means": "mean steps between resets",
        "criterion": "score at least 0.95 over the last 300 steps of a 3,000-step stream",
        "reference": "after Gers et al. 2000",
        "options": {},
    },
}
HALF_SOLVED_LAG = {  # the lag at which half of the well-tuned networks solve the task
    ("rnn", "recall"): 12,
    ("single_network", "recall"): 10,
    ("lstm_no_forget", "recall"): 110,
    ("lstm", "recall"): 120,
    ("gru", "recall"): 70,
    ("rnn", "continual_adding"): 3,
    ("single_network", "continual_adding"): 9,
    ("lstm_no_forget", "continual_adding"): 3,
    ("lstm", "continual_adding"): 70,
    ("gru", "continual_adding"): 90,
}
LATTICE = {  # further cells of a large study: child -> parent
    "identity_rnn": None,
    "lstm_no_input": "lstm",
    "lstm_no_output": "lstm",
    "lstm_no_candidate_tanh": "lstm",
}
MANY_CELLS = CELLS | {
    name: (
        parent,
        f"a long description of {name}: c' = MLP(x, h, c) + c" if parent else "",
        "Author 2026",
        ["f", "i"],
        30,
    )
    for name, parent in LATTICE.items()
}
GROUPS = {"copy": "capacity", "counting": "count", "parity": "state"}
"""The groups of further tasks."""
