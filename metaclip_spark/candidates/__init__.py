"""Batches of candidate pairs, the options that decide about them, and the ledger of what was left out."""
