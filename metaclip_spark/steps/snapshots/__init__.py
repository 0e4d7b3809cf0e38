"""Steps on whole snapshots: list them, and drop one."""
