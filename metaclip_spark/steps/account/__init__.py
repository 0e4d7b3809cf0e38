"""The account of the input: the outcomes of its sources, their sums, and what an empty pool says."""
