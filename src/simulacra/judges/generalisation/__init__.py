"""What a generator learned: modes, memorised events, and the statistical power of its sample."""
