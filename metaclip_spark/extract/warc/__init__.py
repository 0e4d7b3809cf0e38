"""Read image links and texts from the HTML pages of WARC files."""
