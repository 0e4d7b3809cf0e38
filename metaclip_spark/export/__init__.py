"""Write curated pairs as shuffled Parquet shards."""
