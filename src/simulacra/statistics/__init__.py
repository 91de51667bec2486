"""Arrays in, numbers out: distances, classifiers, partitions and modes, without events and verdicts."""
