"""Read WARC records, of which WAT, WARC and WET files consist."""
