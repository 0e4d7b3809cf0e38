"""Weights: factors of the sampling probabilities of pairs."""
