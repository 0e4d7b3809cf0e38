"""The Delta tables of a warehouse, its lease, and the log of its runs."""
