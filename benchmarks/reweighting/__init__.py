"""Reweighting and fits with real Pythia: every figure and number of docs/reweighting.md."""
