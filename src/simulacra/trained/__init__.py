"""Trained models: ``load(name)`` returns a generator or a score of events with all that its file says."""

from simulacra.trained.blocks import BLOCK
from simulacra.trained.conditions import ExtrapolationWarning
from simulacra.trained.find import load, load_generator, load_members, shipped
from simulacra.trained.generator import TrainedGenerator
from simulacra.trained.model_file import TrainedModel
from simulacra.trained.score import TrainedScore

__all__ = [
    "BLOCK",
    "ExtrapolationWarning",
    "TrainedGenerator",
    "TrainedModel",
    "TrainedScore",
    "load",
    "load_generator",
    "load_members",
    "shipped",
]
