"""Recurrent networks as populations: model, evaluation and optimiser, with a leading member axis."""
