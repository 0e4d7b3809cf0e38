"""The command line: flags and help texts."""

from metaclip_spark.cli.app import main

__all__ = ["main"]
