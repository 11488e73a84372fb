"""Everything the edge can raise on purpose.

    EdgeError
    ├── SettingsError        a setting is unknown or cannot be used
    ├── StoreUnavailableError  the database is locked, gone, full or read-only
    ├── ImportFileError      a whole file cannot be read (single bad rows never raise)
    ├── UnknownPlacementError, UnknownItemError, UnknownDecisionError
    └── ClockSkewError       an event claims a time that cannot be

The table that turns these into HTTP problems is ``api.problems``.
"""

from __future__ import annotations


class EdgeError(Exception):
    """Base of every error the edge raises on purpose."""


class SettingsError(EdgeError):
    """A setting is unknown or cannot be used."""


class StoreUnavailableError(EdgeError):
    """The database is locked, gone, full or read-only."""


class ImportFileError(EdgeError):
    """A whole file cannot be read."""


class UnknownPlacementError(EdgeError):
    """A placement the shop has not set up."""


class UnknownItemError(EdgeError):
    """An item that is not in the catalogue."""


class UnknownDecisionError(EdgeError):
    """A decision that is not in the log."""


class ClockSkewError(EdgeError):
    """An event claims a time that cannot be."""
