"""Distances between two samples: one observable at a time and all at once, each with its error and its null."""
