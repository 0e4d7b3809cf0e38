"""The rules and arithmetic of curation on Arrow and numpy, without Spark and without input or output."""
