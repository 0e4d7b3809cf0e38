"""Verify: compute again what the tables store, and return the rows that differ."""
