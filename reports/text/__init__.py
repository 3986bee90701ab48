"""The report's sentences, made from numbers."""
