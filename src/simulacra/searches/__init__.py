"""Searches for structures that no one has labelled: streams of stars."""
