"""Read WARC records: what WAT, WARC and WET files consist of."""
