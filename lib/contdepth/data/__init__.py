"""Data: a registry with checksums, readers that never unpickle, and sets embedded in scikit-learn."""

from contdepth.data.embedded import digits, sample_images
from contdepth.data.labelled import Labelled
from contdepth.data.load import load
from contdepth.data.pde import pde, pde_names
from contdepth.data.pictures import Picture, pictures
from contdepth.data.registry import about, entry, names
from contdepth.data.store import DataError, cache_folder

__all__ = [
    "DataError",
    "Labelled",
    "Picture",
    "about",
    "cache_folder",
    "digits",
    "entry",
    "load",
    "names",
    "pde",
    "pde_names",
    "pictures",
    "sample_images",
]
