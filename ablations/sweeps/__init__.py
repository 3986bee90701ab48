"""Tuning and confirming the arms of a study: searches, the store of results, probing, worker processes."""
