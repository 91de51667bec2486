"""Learned stand-ins for physics simulators."""

__version__ = "0.1.0"
