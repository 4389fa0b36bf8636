"""Data to train on and to fit: image sets from local standard files, and simulated measurements."""

from charz.datasets.images import Images as Images
from charz.datasets.images import available_images as available_images
from charz.datasets.images import load_images as load_images

__all__ = ["Images", "available_images", "load_images"]
