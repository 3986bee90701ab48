"""Rules over the outcomes of contrasts, some of them missing."""

import pytest

from reports.claims.rules import Every, Is, Some


@pytest.mark.parametrize("parts", [(True, True), (True, False), (False, None), (True, None), (None, None)])
def test_rules_are_unknown_only_where_missing_contrasts_decide(parts):
    outcomes = {str(n): {True: "better", False: "worse", None: "missing"}[part] for n, part in enumerate(parts)}
    rules = tuple(Is(name, ("better",)) for name in outcomes)
    assert Every(rules).holds(outcomes) is (False if False in parts else None if None in parts else True)
    assert Some(rules).holds(outcomes) is (True if True in parts else None if None in parts else False)
