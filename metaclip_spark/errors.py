"""Errors: each says what was got, what was expected and what to do next.

Every error that a user can cause derives from `MetaclipError`; its class decides the exit status
(see `EXIT_CODES` in `metaclip_spark.cli.app`), its text is the one sentence that is printed.
"""

from __future__ import annotations


class MetaclipError(Exception):
    """Base of all errors of this package; ends a command with exit status 1."""

    exit_code = 1


class ConfigError(MetaclipError):
    """Wrong usage or configuration; nothing was started (exit status 2)."""

    exit_code = 2


class MetadataError(ConfigError):
    """An entry list that cannot be used as metadata (exit status 2)."""


class InputError(ConfigError):
    """An input that is missing, of an unknown kind, or lacks a column (exit status 2)."""


class LeaseError(MetaclipError):
    """Another run holds the warehouse, or this one lost its lease (exit status 1)."""


class WarehouseError(MetaclipError):
    """A table that is missing, unwritable or not what was expected (exit status 1)."""


class DumpError(MetaclipError):
    """A Wikipedia dump that turned out damaged while it was read (exit status 1)."""


class Damage(Exception):
    """The source cannot be read any further; what was read before stays."""


class WrongKind(Damage):
    """The source is not of the kind that its name says."""
