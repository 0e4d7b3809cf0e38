"""The stages: pure functions from DataFrames and typed parameters to a DataFrame."""
