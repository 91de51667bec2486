"""The common part of systems for one kind of event."""
