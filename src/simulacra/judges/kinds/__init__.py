"""What is special to each kind of events: one file a kind, which nothing else has to name."""
