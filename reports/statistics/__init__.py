"""From rows to estimates and contrasts: estimators, intervals, p values."""
