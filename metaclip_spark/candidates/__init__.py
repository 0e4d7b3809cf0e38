"""Batches of candidate pairs, the options of extraction, and the ledger that counts each source's rejects."""
