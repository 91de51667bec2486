"""Sets one thread for each library with its own threads; to be imported before numpy and torch."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
