"""Inputs and network of a classifier: one file per kind of events, with the settings of its network."""
