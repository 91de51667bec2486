"""Parameters with intervals from learned likelihood ratios, at particle level and behind a detector."""
