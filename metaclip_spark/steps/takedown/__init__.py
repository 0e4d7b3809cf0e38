"""Remove what was taken down from every table, and keep it out."""
