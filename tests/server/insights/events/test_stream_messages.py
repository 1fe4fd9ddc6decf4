"""What messages of the product server's streams tell."""

from typing import Any

import msgspec
import pytest

from server.insights.events.events import Event
from server.insights.events.stream_messages import told

CODE = "5411041040807"
MESSAGE = {
    "timestamp": "1767225600",
    "code": CODE,
    "rev": "194",
    "product_type": "food",
    "flavor": "off",
    "user_id": "ann",
    "action": "updated",
    "comment": "",
    "diffs": "{}",
}


def message(**fields: str) -> dict[str, str]:
    return MESSAGE | fields


def event(kind: Any, **fields: Any) -> Event:
    return Event(**({"kind": kind, "server_type": "off", "barcode": CODE} | fields))


@pytest.mark.parametrize(
    ("fields", "events"),
    [
        ({}, [event("product_updated")]),
        ({"action": "created"}, [event("product_updated")]),
        ({"action": "deleted"}, [event("product_deleted")]),
        ({"code": "0" + CODE}, [event("product_updated")]),
        (
            {"diffs": '{"fields": {"change": ["product_name"], "add": ["brands"]}, "nutriments": {"add": ["fat"]}}'},
            [event("product_updated", changed=("brands", "product_name", "nutriments"))],
        ),
        (
            {"diffs": '{"uploaded_images": {"add": ["4", "5"], "delete": ["1"]}}'},
            [
                event("image_deleted", image_id="1"),
                event("image_uploaded", image_id="4"),
                event("image_uploaded", image_id="5"),
                event("product_updated", changed=("uploaded_images",)),
            ],
        ),
        (
            {"product_type": "beauty", "diffs": '{"fields": {"change": ["product_type", "brands"]}}'},
            [event("type_changed", server_type="obf")],
        ),
        ({"flavor": "off", "product_type": "petfood"}, [event("product_updated", server_type="opff")]),
        ({"flavor": "off-pro"}, [event("product_updated", server_type="off_pro")]),
        ({"flavor": "opf", "product_type": ""}, [event("product_updated", server_type="opf")]),
        ({"user_id": "roboto-app"}, []),
        ({"comment": "[robotoff] Adding label, ID: 1"}, []),
        ({"code": "abc"}, []),
        ({"code": ""}, []),
        ({"flavor": "x", "product_type": "y"}, []),
        ({"diffs": "not json"}, [event("product_updated")]),
        ({"diffs": '{"uploaded_images": {"add": "4"}, "fields": ["x"]}'},
         [event("product_updated", changed=("uploaded_images",))]),
        ({"diffs": '{"uploaded_images": {"add": ["../../x", 7]}}'},
         [event("image_uploaded", image_id="7"), event("product_updated", changed=("uploaded_images",))]),
    ],
)  # fmt: skip
def test_an_update_tells_what_happened_and_nothing_of_our_own_edits(
    fields: dict[str, str], events: list[Event]
) -> None:
    assert list(told("product_updates", message(**fields)).events) == events


@pytest.mark.parametrize(
    "fields", [{"user_id": "scanbot"}, {"user_id": "update_all_products"}, {"action": "reprocessed"}]
)
def test_mass_edits_can_wait(fields: dict[str, str]) -> None:
    assert not told("product_updates", message(**fields)).is_urgent
    assert told("product_updates", message()).is_urgent


def test_a_text_that_was_read_names_its_image_and_its_address() -> None:
    fields = {
        "code": CODE,
        "image_id": "3",
        "json_url": "https://images.example/3.json",
        "product_type": "food",
    }
    (found,) = told("ocr_ready", fields).events
    assert found == event("ocr_ready", image_id="3", ocr_url="https://images.example/3.json")
    assert told("ocr_ready", fields | {"image_id": "a/b"}).events == ()


def test_an_event_survives_its_way_through_a_job() -> None:
    for found in told("product_updates", message(diffs='{"fields": {"change": ["brands"]}}')).events:
        assert msgspec.convert(msgspec.json.decode(msgspec.json.encode(found)), Event) == found
