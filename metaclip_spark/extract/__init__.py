"""WAT records and tabular pools -> pairs (no Spark): sources, readers, ids, and one task's whole work."""
