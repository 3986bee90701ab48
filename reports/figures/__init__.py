"""Figures: each function takes aggregated tables or rows and returns a matplotlib Figure; it estimates nothing.

`reports.aggregates` and `reports.statistics` compute what is drawn, `reports.exhibits` adds captions and data. In scatter
plots a marker is one network, filled if the network solved its task.
"""
