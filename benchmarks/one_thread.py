"""Leaves one thread to each library that counts its own; to be imported before numpy and torch."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
