from pathlib import Path

import pytest

from kernels import decode
from kernels.decode import ImageLimits
from server.search.features import Described, describe
from server.search.recognize import RecognizeOptions, Recognizer
from server.search.replica import Replica
from server.search.verify import verify

SAMPLES = Path(__file__).parents[3] / "server" / "samples"
LIMITS = ImageLimits(max_bytes=2**20, max_pixels=10**6)
# Ten packs of one printer: they share letters, words of the small print and bars.
PACKS = sorted(path.stem for path in SAMPLES.glob("*.jpg") if not path.stem.startswith("photo-"))


def described(name: str) -> Described:
    return describe(decode.gray((SAMPLES / f"{name}.jpg").read_bytes(), LIMITS, long_side=640))


@pytest.fixture(scope="module")
def replica() -> Replica:
    replica = Replica()
    for name in PACKS:
        replica.add_image(name, name, described(name))
    return replica


@pytest.mark.parametrize(
    ("photo", "shown"),
    [
        ("photo-coffee", {"harbour-coffee"}),
        ("photo-two", {"garden-tea", "red-barn-pasta"}),
        ("photo-nothing", set()),
    ],
)
def test_what_shares_only_lettering_with_the_pack_in_the_photo_is_not_reported(
    replica: Replica, photo: str, shown: set[str]
) -> None:
    found = Recognizer().run(replica, described(photo), RecognizeOptions()).matches
    assert {match.item_id for match in found} == shown


def test_the_lettering_alone_would_have_been_accepted(replica: Replica) -> None:
    photo = described("photo-coffee")
    accepted = [entry.item_id for entry in replica.of_items(PACKS) if verify(photo, entry) is not None]
    assert len(accepted) > 1
