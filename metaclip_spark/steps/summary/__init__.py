"""Read what the public summary of training content says of a run, and write it."""
