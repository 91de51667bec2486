"""The front of shower generators: how well they are told from Geant4, and what a shower costs, in one run."""
