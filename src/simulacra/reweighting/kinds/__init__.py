"""How a classifier sees events: one file per kind of events, with the settings of its network."""
