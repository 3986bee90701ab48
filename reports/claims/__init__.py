"""Claims, their rules, and the verdicts that a table of results supports."""

from reports.claims.claims import CLAIMS, GROUPS, LEVEL, WORLDS, Claim, Contrast, Stratum, Verdict, decide

__all__ = ["CLAIMS", "GROUPS", "LEVEL", "WORLDS", "Claim", "Contrast", "Stratum", "Verdict", "decide"]
