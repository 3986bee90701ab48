"""The p values of rules, with contrasts missing."""

import pytest

from reports.claims.rules import Every, Is, Some


def p_of(*values: float | None):
    return {str(k): None if value is None else {"better": value, "worse": 1.0} for k, value in enumerate(values)}


RULES = tuple(Is(str(k), ("better",)) for k in range(3))


@pytest.mark.parametrize(
    ("values", "every", "some"),
    [
        ((0.01, 0.02, 0.03), 0.03, 0.03),  # three alternatives: three times the smallest
        ((0.01, 0.02, 1.0), 1.0, 0.03),
        ((0.01, 0.02, None), None, 0.03),
        ((1.0, 0.02, None), 1.0, 0.06),  # it fails, whatever the missing one says
        ((1.0, 1.0, None), 1.0, None),
        ((1.0, 1.0, 1.0), 1.0, 1.0),
        ((0.5, 0.5, 0.5), 0.5, 1.0),
        ((None, None, None), None, None),
    ],
)
def test_p_values_of_rules(values, every, some):
    assert Every(RULES).p(p_of(*values)) == every
    assert Some(RULES).p(p_of(*values)) == (None if some is None else pytest.approx(some))


def test_an_elementary_rule_takes_the_smallest_p_of_its_outcomes():
    values = {"a": {"better": 0.4, "worse": 0.1, "equivalent": 0.3}, "b": None}
    assert Is("a", ("better", "equivalent")).p(values) == 0.3
    assert Is("b", ("better",)).p(values) is None


def test_leaves_carry_the_number_of_their_alternatives():
    rule = Every((RULES[0], Some((RULES[1], Every((RULES[2], Some(RULES)))))))
    assert list(rule.leaves()) == [(RULES[0], 1), (RULES[1], 2), (RULES[2], 2), *((one, 6) for one in RULES)]
