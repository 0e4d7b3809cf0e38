"""Extract pairs from WAT, WARC and tabular files (no Spark): the readers, and the work of one task."""
