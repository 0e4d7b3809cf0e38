"""Find personal data in texts: addresses, and numbers that name a person, an account or a line."""

from metaclip_spark.filters.pii.finds import Scan, check_installed, mask_text, scan, spans_of

__all__ = ["Scan", "check_installed", "mask_text", "scan", "spans_of"]
