"""Takedowns of urls, domains and pairs: the lists, their keyed hashes, and the copies of rows in files."""
