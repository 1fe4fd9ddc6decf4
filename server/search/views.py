"""Rows as the objects of the management API, with exactly the keys that published clients expect."""

from __future__ import annotations

import msgspec
from msgspec import UNSET

from server.search import references, schema
from server.search.catalog import Row
from server.search.links import Links


def collection(row: Row) -> schema.Collection:
    """A row of GET_COLLECTION."""
    identifier = row["id"].hex
    return schema.Collection(
        uuid=identifier,
        resource_uri=references.uri("collection", identifier),
        name=row["name"],
        offline=row["offline"],
    )


def item(row: Row) -> schema.Item:
    """A row of GET_ITEM."""
    identifier = row["id"].hex
    return schema.Item(
        uuid=identifier,
        resource_uri=references.uri("item", identifier),
        name=row["name"],
        collection=references.uri("collection", row["collection"].hex),
        url=row["url"],
        content=None if row["content"] is None else msgspec.Raw(row["content"].encode()),
        trackable=row["trackable"],
        tags=[references.uri("tag", tag.hex) for tag in row["tags"]],
        custom=UNSET if row["custom"] is None else row["custom"].decode(),
    )


def image(row: Row, links: Links) -> schema.Image:
    """A row of GET_IMAGE."""
    identifier, of_item, of_collection = row["id"].hex, row["item"].hex, row["collection"].hex
    return schema.Image(
        uuid=identifier,
        resource_uri=references.uri("image", identifier),
        item=references.uri("item", of_item),
        name=row["name"],
        file=links.file(of_collection, of_item, identifier),
        status=row["status"],
        quality=round(row["quality"], 4),
        thumb_120=links.thumb(of_collection, of_item, identifier, 120),
        thumb_60=links.thumb(of_collection, of_item, identifier, 60),
        # Tracking data is not made here, so that of a trackable item stays pending.
        tracking_data_status="PE" if row["trackable"] else "NO",
    )


def token(row: Row) -> schema.Token:
    """A row of GET_TOKEN."""
    return schema.Token(
        token=row["token"],
        resource_uri=references.uri("token", row["token"]),
        collection=references.uri("collection", row["collection"].hex),
        tags=[references.uri("tag", tag.hex) for tag in row["tags"]],
    )


def tag(row: Row) -> schema.Tag:
    """A row of GET_TAG."""
    identifier = row["id"].hex
    return schema.Tag(
        uuid=identifier,
        resource_uri=references.uri("tag", identifier),
        name=row["name"],
        collection=references.uri("collection", row["collection"].hex),
    )
