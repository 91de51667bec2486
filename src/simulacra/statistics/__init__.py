"""Arrays in, numbers out: distances, classifiers, partitions and modes, which know no events and pass no verdict."""
