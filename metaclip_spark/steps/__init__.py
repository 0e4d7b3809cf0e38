"""Steps: each one reads tables, calls a stage, writes the result, and skips what is done already."""
