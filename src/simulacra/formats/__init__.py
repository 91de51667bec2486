"""Files of other programs, read into events and written from them; a round trip is exact in both directions."""

from simulacra.formats.binning import Binning, BinningLayer, read_binning, write_binning
from simulacra.formats.detect import format_of, read
from simulacra.formats.errors import FormatError

__all__ = [
    "Binning",
    "BinningLayer",
    "FormatError",
    "format_of",
    "read",
    "read_binning",
    "write_binning",
]
