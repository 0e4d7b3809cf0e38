"""Languages, domains and examples of a pool and its subset, for the data card."""
