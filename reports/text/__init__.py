"""Sentences and alternative texts, generated from numbers."""
