"""What the systems of one kind of event share."""
