"""Classifier two-sample tests: whether samples can be told apart, where, and what classifier weights correct."""
