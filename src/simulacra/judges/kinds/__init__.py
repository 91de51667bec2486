"""The special parts for each kind of events: one file per kind, not named anywhere else."""
