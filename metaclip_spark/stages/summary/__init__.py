"""Sums for the public summary of training content."""
