"""What is made of a reference picture."""

import cv2
import numpy as np
import pytest

from kernels.decode import ImageLimits, ImageRejected
from server import errors
from server.search import upload
from server.search.pictures import packed, unpacked
from tests.server.search import pictures

LIMITS = ImageLimits(
    max_bytes=2**20, max_pixels=2_000_000, min_side=upload.MIN_SIDE, allow_transparency=False
)


def test_a_good_picture_is_described_rated_and_shrunk(compiled: None) -> None:
    data = pictures.jpeg(pictures.print_of(1))
    made = upload.examine(data, LIMITS)
    assert (made.data, made.content_type, made.status) == (data, "image/jpeg", "OK")
    assert made.described is not None and len(made.described.features.keypoints) >= 20
    assert 0 < made.value <= 1
    sizes = [cv2.imdecode(np.frombuffer(thumb, np.uint8), cv2.IMREAD_COLOR).shape for thumb in made.thumbs]
    assert sizes == [(45, 60, 3), (90, 120, 3)]


def test_a_plain_picture_is_kept_as_unusable(compiled: None) -> None:
    made = upload.examine(pictures.png(pictures.plain()), LIMITS)
    assert (made.content_type, made.status, made.value, made.described) == ("image/png", "ER", 0.0, None)
    assert made.reasons == ["no_details"]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"nonsense", "not_loaded"),
        (pictures.transparent_png(90, 90), "transparent"),
        (pictures.jpeg(pictures.plain(119, 130)), "too_small"),
        (pictures.jpeg(pictures.plain(2000, 1100)), "too_many_pixels"),
    ],
)
def test_what_the_gate_refuses_is_refused_before_it_is_described(data: bytes, reason: str) -> None:
    with pytest.raises(ImageRejected) as caught:
        upload.examine(data, LIMITS)
    assert caught.value.reason == reason


def test_a_strip_is_a_validation_error() -> None:
    with pytest.raises(errors.BadRequest) as caught:
        upload.examine(pictures.jpeg(pictures.plain(1300, 125)), LIMITS)
    assert caught.value.details is not None and list(caught.value.details) == ["file"]


def test_a_small_picture_is_never_enlarged() -> None:
    thumb = upload.thumbnail(np.zeros((40, 30, 3), np.uint8), 120)
    assert cv2.imdecode(np.frombuffer(thumb, np.uint8), cv2.IMREAD_COLOR).shape == (40, 30, 3)


def test_a_picture_turned_by_its_exif_is_shown_upright(compiled: None) -> None:
    data = pictures.jpeg(pictures.print_of(1, 360, 270))
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
    turned = data[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif + data[2:]
    made = upload.examine(turned, LIMITS)
    thumb = cv2.imdecode(np.frombuffer(made.thumbs[1], np.uint8), cv2.IMREAD_COLOR)
    assert thumb.shape == (120, 90, 3)
    assert made.described is not None and made.described.gray.shape == (360, 270)


def test_features_come_back_from_their_columns_as_they_went_in(compiled: None) -> None:
    described = upload.examine(pictures.jpeg(pictures.print_of(1)), LIMITS).described
    assert described is not None
    names = ("keypoints", "descriptors", "width", "height", "thumb", "thumb_width", "thumb_height")
    back = unpacked(dict(zip(names, packed(described), strict=True)))
    np.testing.assert_array_equal(back.features.keypoints, described.features.keypoints)
    np.testing.assert_array_equal(back.features.descriptors, described.features.descriptors)
    np.testing.assert_array_equal(back.thumb, described.thumb)
    assert back.gray.shape == described.gray.shape
    # Compiled kernels take read-only arrays for another type.
    assert back.features.keypoints.flags.writeable and back.features.descriptors.flags.writeable
