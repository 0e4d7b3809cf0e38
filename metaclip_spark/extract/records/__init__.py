"""The records of a compressed WARC or WAT file."""
