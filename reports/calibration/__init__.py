"""Error rate and power of the verdicts, measured on simulated studies with known truth."""
