"""Claims, their rules, and the verdicts that a table of results supports."""

from reports.claims.claims import CLAIMS, Claim, Contrast, Verdict, decide

__all__ = ["CLAIMS", "Claim", "Contrast", "Verdict", "decide"]
