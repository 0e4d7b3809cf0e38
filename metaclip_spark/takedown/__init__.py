"""Urls and domains that were taken down: their lists, their hashes, and the copies of rows in files."""
