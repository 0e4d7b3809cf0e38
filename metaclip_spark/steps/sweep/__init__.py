"""Expected sizes over the counted pool: t for a target size, and images on disk."""
