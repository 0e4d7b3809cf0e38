"""The public functions on Spark DataFrames and pyarrow Tables."""
