"""Take down urls and domains: remove their pairs from tables, exports and reports, and keep them out."""
