"""Recurrent networks as populations: model, optimiser, evaluation."""
