"""The design of a pack: everything that stays the same each time this product is drawn."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np

from models.train.render import font, food, paint, words
from models.train.render.logo import any_seal
from models.train.render.scene import Pixels

SALT = 0xDE51
FLAVOURS = 4  # identities 4k .. 4k+3 are varieties of one brand: same layout and logo, other words and colour
FORMS = ("box", "pouch", "bottle", "can", "jar", "carton", "tray")
FORM_SHARES = (0.34, 0.2, 0.14, 0.1, 0.08, 0.07, 0.07)
ASPECTS = {
    "box": (0.7, 1.9),
    "pouch": (1.1, 1.6),
    "bottle": (2.4, 3.6),
    "can": (1.2, 2.1),
    "jar": (1.0, 1.7),
    "carton": (1.9, 2.7),
    "tray": (0.55, 1.0),
}
GROUNDS = ("solid", "gradient", "split", "bands", "photo", "diagonal", "pattern", "curve")
GROUND_SHARES = (0.18, 0.12, 0.12, 0.08, 0.2, 0.1, 0.08, 0.12)
PICTURE_SIDE = 208
PICTURES = 120


class Design(NamedTuple):
    """What identifies a product by eye; lengths are shares of the front."""

    identity: int
    form: str
    aspect: float  # height / width
    ground: paint.Colour
    second: paint.Colour
    accent: paint.Colour
    ink: paint.Colour
    ground_kind: str
    split: float
    logo: int
    logo_share: float
    logo_y: float
    seals: tuple[int, ...]
    title: str
    title_face: str
    title_y: float
    title_ink: paint.Colour
    title_plate: bool
    subtitle: str
    claim: str
    amount: str
    body_face: str
    picture_y: float
    picture_share: float
    picture_kind: str
    centred: bool
    glass: paint.Colour
    cap: paint.Colour
    shape: float  # a free number 0..1 for the silhouette


@lru_cache(maxsize=2048)
def design(identity: int) -> Design:
    """The design of a product; the same number always gives the same design."""
    line = np.random.default_rng((SALT, identity // FLAVOURS))
    own = np.random.default_rng((SALT, 1, identity))
    hue = paint.print_hue(line)
    loud = line.random() < 0.7
    saturation = line.uniform(0.5, 1.0) if loud else line.uniform(0.0, 0.35)
    value = line.uniform(0.35, 1.0) if line.random() < 0.8 else line.uniform(0.04, 0.3)
    changes_ground = line.random() < 0.5
    flavour_hue = paint.print_hue(own)
    if line.random() < 0.25:
        saturation, value = 0.03, line.uniform(0.9, 1.0)
    ground = paint.ink(flavour_hue if changes_ground else hue, saturation, value)
    second = paint.ink(
        hue if line.random() < 0.4 else paint.print_hue(line), line.uniform(0, 1), line.uniform(0.25, 1.0)
    )
    if line.random() < 0.25:
        second = paint.ink(hue, 0.03, 0.98)
    accent = paint.ink(flavour_hue, own.uniform(0.5, 1), own.uniform(0.4, 1.0))
    form = str(line.choice(FORMS, p=FORM_SHARES))
    low, high = ASPECTS[form]
    writing = words.script(line)
    picture_first = line.random() < 0.25
    logo_y = line.uniform(0.03, 0.12)
    return Design(
        identity=identity,
        form=form,
        aspect=float(np.exp(line.uniform(np.log(low), np.log(high)))),
        ground=ground,
        second=second,
        accent=accent,
        ink=paint.ink_on(ground),
        ground_kind=str(line.choice(GROUNDS, p=GROUND_SHARES)),
        split=float(line.uniform(0.3, 0.7)),
        logo=any_seal(line),
        logo_share=float(line.uniform(0.35, 0.85)),
        logo_y=float(0.42 if picture_first else logo_y),
        seals=tuple(any_seal(own) for _ in range(int(own.choice([0, 1, 1, 2, 3, 4])))),
        title=words.product(own, writing) if line.random() < 0.8 else words.product(own, "latin").upper(),
        title_face=str(line.choice(font.faces_for(writing))),
        title_y=float(0.6 if picture_first else line.uniform(0.28, 0.46)),
        title_ink=accent if line.random() < 0.3 else paint.ink_on(ground),
        title_plate=bool(line.random() < 0.3),
        subtitle=words.claim(own),
        claim=words.claim(own),
        amount=words.amount(own),
        body_face=str(line.choice(font.faces_for("latin"))),
        picture_y=float(line.uniform(0.02, 0.1) if picture_first else line.uniform(0.45, 0.58)),
        picture_share=float(line.uniform(0.5, 1.0)),
        picture_kind=str(
            line.choice(["heap", "one", "window", "none", "disc"], p=[0.3, 0.25, 0.13, 0.17, 0.15])
        ),
        centred=bool(line.random() < 0.7),
        glass=paint.ink(paint.print_hue(own), own.uniform(0.3, 0.95), own.uniform(0.08, 0.8)),
        cap=paint.ink(
            flavour_hue if line.random() < 0.5 else hue, line.uniform(0, 1), line.uniform(0.1, 1.0)
        ),
        shape=float(line.random()),
    )


@lru_cache(maxsize=PICTURES)
def _heap(number: int) -> Pixels:
    return food.heap(np.random.default_rng((SALT, 2, number)), PICTURE_SIDE, PICTURE_SIDE)


@lru_cache(maxsize=128)
def picture(identity: int) -> Pixels:
    """The photograph on a pack, (PICTURE_SIDE, PICTURE_SIDE, 3) uint8: food in the product's own colours.

    It is a cut of one of a stock of pictures, turned and recoloured: drawing each anew would cost most of a scene.
    """
    rng = np.random.default_rng((SALT, 3, identity))
    side = int(rng.integers(PICTURE_SIDE // 2, PICTURE_SIDE + 1))
    x, y = rng.integers(0, PICTURE_SIDE - side + 1, 2)
    cut = np.rot90(_heap(int(rng.integers(PICTURES)))[y : y + side, x : x + side], int(rng.integers(4)))
    table = np.clip(
        np.arange(256)[None, :, None] * rng.uniform(0.85, 1.2) * rng.uniform(0.9, 1.08, 3), 0, 255
    ).astype(np.uint8)
    sized = cv2.resize(
        np.ascontiguousarray(cut), (PICTURE_SIDE, PICTURE_SIDE), interpolation=cv2.INTER_LINEAR
    )
    pixels = np.asarray(cv2.LUT(sized, table), np.uint8)
    pixels.flags.writeable = False
    return pixels
