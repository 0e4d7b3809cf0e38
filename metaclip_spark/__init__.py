"""Curates image-text pairs as MetaCLIP does, on Spark with Delta tables."""

__version__ = "0.1.0"
