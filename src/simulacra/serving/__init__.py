"""Trained generators as a service over HTTP: answers in Arrow, npz or JSON, and a page that draws the events."""

from simulacra.serving.limits import Limits
from simulacra.serving.packages import PACKAGES
from simulacra.serving.routes import application
from simulacra.serving.run import serve

__all__ = ["PACKAGES", "Limits", "application", "serve"]
