"""The rules and the arithmetic of curation on Arrow and numpy arrays, without Spark and without input or output."""
