"""The front of shower generators: how well they are told from Geant4, and the time per shower, in one run."""
