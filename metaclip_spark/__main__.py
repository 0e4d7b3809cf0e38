"""`python -m metaclip_spark`."""

from metaclip_spark.cli import program

program()
