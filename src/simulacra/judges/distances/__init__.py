"""Distances between two samples: single observables and all at once, with errors and null distributions."""
