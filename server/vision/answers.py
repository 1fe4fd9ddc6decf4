"""The two forms of an answer: JSON with a result or an error per picture, or the octets of all vectors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from server import errors
from server.errors import AisleError
from server.vision import schema

if TYPE_CHECKING:
    from server.pipeline import Detection

JSON = "application/json"
OCTETS = "application/octet-stream"


def octets(rows: Sequence[NDArray[np.float32] | AisleError]) -> bytes:
    """Rows of float32, little-endian; `Unprocessable` names every picture that is not good."""
    bad = {number: row for number, row in enumerate(rows) if isinstance(row, AisleError)}
    if bad:
        named = "; ".join(f"image {number}: {fault.message}" for number, fault in bad.items())
        raise errors.Unprocessable(
            f"Vectors alone can be given only when every image is good. {named}",
            code="IMAGES_REJECTED",
            details={"images": [{"index": number, "code": fault.code} for number, fault in bad.items()]},
        )
    return b"".join(row.astype("<f4", copy=False).tobytes() for row in rows if isinstance(row, np.ndarray))


def embedded(row: NDArray[np.float32] | AisleError) -> schema.Embedded:
    """One result of /embed."""
    if isinstance(row, AisleError):
        return schema.Embedded(error=schema.Fault(row.code, row.message))
    return schema.Embedded(embedding=row.tolist())


def detected(objects: Sequence[Detection] | AisleError) -> schema.Detected:
    """One result of /detect."""
    if isinstance(objects, AisleError):
        return schema.Detected(error=schema.Fault(objects.code, objects.message))
    return schema.Detected(detections=[schema.Detection(*each) for each in objects])
