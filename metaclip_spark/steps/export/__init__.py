"""Export a run's pairs: which pairs, and the files that tasks write of them."""
