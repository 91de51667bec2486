"""The version of this package, for the provenance of all results."""

__version__ = "0.1.0"
