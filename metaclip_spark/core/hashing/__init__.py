"""Hash rows and settings, compute the ids of images and pairs, and filter keys with a Bloom filter."""
