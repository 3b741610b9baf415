"""Images: safe decoding and repair (`decode`), what each looks like (`looks`), near copies (`near`), sheets (`sheet`).

A cell is a dict {"bytes": bytes, "path": str}. PIL and numpy do all the work.
"""

from toolkit.data.images.decode import MAX_PIXELS, Unreadable, inspect, repair
from toolkit.data.images.looks import Looks, digest, look, statistics
from toolkit.data.images.near import pairs
from toolkit.data.images.sheet import sheet, thumbnail

__all__ = [
    "MAX_PIXELS",
    "Looks",
    "Unreadable",
    "digest",
    "inspect",
    "look",
    "pairs",
    "repair",
    "sheet",
    "statistics",
    "thumbnail",
]
