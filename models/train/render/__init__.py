"""Seeded pictures of packs, labels, tags and shelves with exact boxes, drawn on the fly for training."""

from models.train.render.draw import draw
from models.train.render.logo import logo
from models.train.render.pack import pack

__all__ = ["draw", "logo", "pack"]
