"""The commands `counts export` and `counts merge`."""
