"""Barcodes and the paths of product images (contract 1.0, 2.1, 2.6)."""

from __future__ import annotations

import re

from server.insights import faults

SHORT, LONG = 8, 13
ORGANISATION = re.compile(r"[A-Za-z0-9_-]{1,60}")
DIGITS = re.compile(r"[0-9]{1,38}")


def normalised(barcode: str) -> str:
    """Leading zeros stripped, then padded to 8 digits, or to 13 when longer; an organisation stays before it.

    What is no barcode comes back as it is: it will match nothing.
    """
    organisation, slash, digits = barcode.strip().rpartition("/")
    if not DIGITS.fullmatch(digits):
        return barcode
    digits = digits.lstrip("0").zfill(SHORT)
    if len(digits) > SHORT:
        digits = digits.zfill(LONG)
    return f"{organisation}{slash}{digits}"


def checked(barcode: str) -> str:
    """The same for a barcode that is going to be stored; `BadRequest` when it is none."""
    organisation, _, digits = barcode.strip().rpartition("/")
    if not DIGITS.fullmatch(digits) or (organisation and not ORGANISATION.fullmatch(organisation)):
        raise faults.invalid("barcode", "It must be digits, after an organisation and a slash at most.")
    return normalised(barcode)


def is_reserved(barcode: str) -> bool:
    """Whether the shop made it (variable weight, in-store): 2... or 02..."""
    return barcode.rpartition("/")[2].removeprefix("0").startswith("2")


def folder(barcode: str) -> str:
    """Where its images are under the image root: "/541/004/104/0807", or "/org/541/..." on the pro platform."""
    organisation, slash, digits = barcode.rpartition("/")
    padded = digits.zfill(LONG)
    parts = [padded[:3], padded[3:6], padded[6:9], padded[9:]]
    return "/" + "/".join([organisation, *parts] if slash else parts)


def source_image(barcode: str, image_id: str) -> str:
    """The path of one image of a product: "/541/004/104/0807/3.jpg"."""
    return f"{folder(barcode)}/{image_id}.jpg"


def image_id_of(source: str | None) -> str | None:
    """The "3" of "/541/004/104/0807/3.jpg"."""
    return None if source is None else source.rpartition("/")[2].partition(".")[0]


def shown(source: str) -> str:
    """The path of the 400 px version where there is one: a raw image has it, a selected one is named in full."""
    stem, _, _ = source.rpartition(".")
    return f"{stem}.400.jpg" if stem.rpartition("/")[2].isdigit() else source
