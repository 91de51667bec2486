"""Planted failures that the judges detect, their rates of false alarms, and their times."""
