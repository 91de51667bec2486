"""What a generator learned: the modes it keeps, the events it learned by heart, what its sample is worth."""
