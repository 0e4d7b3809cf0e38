"""Takedowns of urls and domains: the lists, their keyed hashes, and the copies of rows in files."""
