"""The public summary of training content, as the template of the European Commission asks, from plain data."""
