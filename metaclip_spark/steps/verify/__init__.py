"""Verify a warehouse: compare its tables with each other, with the log of runs, and with the definition."""
