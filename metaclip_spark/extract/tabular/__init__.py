"""Read pairs from Parquet, TSV, CSV and JSON lines."""
