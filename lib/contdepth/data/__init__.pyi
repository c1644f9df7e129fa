from .embedded import digits, sample_images
from .labelled import Labelled
from .loading import load
from .pde_files import pde, pde_names
from .picture_sets import Picture, pictures
from .registry import about, entry, names
from .series_files import LabelledSeries, series, series_names
from .standard import shrink, standardise
from .store import DataError, cache_folder
from .unit_range import pixels

__all__ = [
    "DataError",
    "Labelled",
    "LabelledSeries",
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
    "pixels",
    "sample_images",
    "series",
    "series_names",
    "shrink",
    "standardise",
]
