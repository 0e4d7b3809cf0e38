"""One module per command: check the input, open the warehouse, run the steps, print the result."""
