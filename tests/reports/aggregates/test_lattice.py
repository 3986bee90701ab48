"""The gate lattice of a study: parents, joined changes, and cells without a known parent."""

from reports.aggregates.lattice import Node, nodes


def test_ancestors_that_are_not_in_the_study_are_skipped_and_their_changes_joined() -> None:
    study = {
        "cells": {"lstm+bias0": {"cell": "lstm"}},
        "lattice": [
            {"cell": "lstm", "parent": None, "change": ""},
            {"cell": "middle", "parent": "lstm", "change": "first"},
            {"cell": "leaf", "parent": "middle", "change": "second"},
            {"cell": "orphan", "parent": "unregistered", "change": "third"},
        ],
    }
    assert nodes(["leaf", "orphan", "lstm+bias0", "lstm"], study) == [
        Node("orphan", None, "", 0),
        Node("lstm", None, "", 0),
        Node("leaf", "lstm", "first; second", 1),
        Node("lstm+bias0", "lstm", "bias0", 1),
    ]


def test_cells_whose_parents_form_a_cycle_are_included_as_roots() -> None:
    study = {"lattice": [{"cell": "a", "parent": "b", "change": ""}, {"cell": "b", "parent": "a", "change": ""}]}
    assert nodes(["a", "b"], study) == [Node("a", None, "", 0), Node("b", None, "", 0)]


def test_a_change_by_options_is_in_words_unless_a_plugin_may_mean_something_else_by_them() -> None:
    cells = {"lstm": {"cell": "lstm"}, "lstm+leak=0.9": {"cell": "lstm", "options": {"leak": 0.9}}}
    assert nodes([*cells], {"cells": cells})[1].change == "f = 0.9, not learned"
    assert nodes([*cells], {"cells": cells, "plugins": {"own.py": ""}})[1].change == "leak=0.9"
