"""The verbs (the public functions): one facade, and one backend each for Spark DataFrames and pyarrow Tables."""
