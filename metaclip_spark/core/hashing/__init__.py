"""Hashes of rows and configurations, image ids and pair ids, and a Bloom filter over keys."""
