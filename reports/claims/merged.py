"""Searches merged in pairs, as if each had had twice as many trials: a check of whether verdicts depend on the tuning budget."""

from __future__ import annotations

from reports.aggregates.outcomes import Table

ARM = ["cell", "task", "lag", "size"]
RANK = ["solved", "objective"]
"""What trials are ranked by, as in a search: the share of their networks that solved the task, then the mean objective."""


def merged_pairs(results: Table) -> Table | None:
    """Return the results with searches 2k and 2k + 1 of every arm as one search k, of which the better chosen trial is
    confirmed; None if the table does not tell trials and searches apart.

    The choice is by the networks of both earlier phases, never by confirmed ones.
    """
    if not {"search", "trial", "objective", "size"} <= {*results} or results["search"].isna().any():
        return None
    confirmed = results[results["phase"] == "confirm"]
    known = confirmed[[*ARM, "search", "trial"]].drop_duplicates()
    earlier = results[results["phase"] != "confirm"].merge(known, on=[*ARM, "search", "trial"])
    ranks = earlier.groupby([*ARM, "search"], as_index=False)[RANK].mean().assign(pair=lambda rows: rows["search"] // 2)
    ranks = ranks.sort_values([*ARM, "pair", *RANK], ascending=[True] * 5 + [False, False], kind="stable")
    unchosen = ranks[ranks.duplicated([*ARM, "pair"])][[*ARM, "search"]]
    dropped = confirmed.reset_index().merge(unchosen, on=[*ARM, "search"])["index"]
    return results.drop(index=dropped).assign(search=results["search"] // 2)
