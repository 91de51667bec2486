"""Judges for calorimeters: mean images, response and resolution, scans of the generator's conditions."""
