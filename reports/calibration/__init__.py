"""How often the decision rules are wrong, measured in simulated studies with known truth."""
