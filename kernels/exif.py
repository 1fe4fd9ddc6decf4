"""The one EXIF tag that changes pixels.

Pillow's reader warns about damaged EXIF, which is common and harmless; this one ignores what it cannot read.
"""

import struct

_ORIENTATION = 0x0112
_SHORT = 3
_MOST_TAGS = 512


def orientation(exif: bytes) -> int:
    """EXIF orientation 1..8 of a TIFF-shaped EXIF block; 1 when it is missing or damaged."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(exif[:4])
    if order is None:
        return 1
    try:
        (start,) = struct.unpack_from(order + "I", exif, 4)
        (count,) = struct.unpack_from(order + "H", exif, start)
        for index in range(min(count, _MOST_TAGS)):
            tag, kind, _, value = struct.unpack_from(order + "HHIH", exif, start + 2 + 12 * index)
            if tag == _ORIENTATION:
                return value if kind == _SHORT and 1 <= value <= 8 else 1
    except struct.error:
        pass
    return 1
