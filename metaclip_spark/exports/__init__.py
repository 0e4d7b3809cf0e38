"""Exports: shards of pairs for downloaders and trainers, written by tasks and put in place at once (no Spark)."""
