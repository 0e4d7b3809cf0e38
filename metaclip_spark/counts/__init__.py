"""Entry counts as a portable card: read, write and merge cards, and compare their counts with those of a pool."""
