"""Read image links and texts from WAT files."""
