"""The front of shower generators: how well classifiers tell them from Geant4, and the time per shower, in one run."""
