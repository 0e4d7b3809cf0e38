"""Robots exclusion at the date of a crawl: robots.txt read, kept by host, and applied to urls (no Spark)."""
