"""Turn one sample into another by weights f/(1-f) from a calibrated classifier, and say how good they are."""
