"""Matches as results: the rows of the items that were found, in the shape of each API version (section 1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec
from msgspec import UNSET, UnsetType

from server.search import queries, schema
from server.search.catalog import Row
from server.search.links import Links
from server.search.recognize import Match, Recognition
from server.search.scan import Question

if TYPE_CHECKING:
    from server.db import Database
    from server.deadline import Deadline


class Answers:
    """Turns matches into results; an item that was deleted meanwhile is left out."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def results(
        self,
        collection: str,
        recognition: Recognition,
        question: Question,
        version: int,
        links: Links,
        deadline: Deadline,
    ) -> list[schema.Result]:
        """The results in the order of the matches."""
        matches, stage_ms = recognition
        if not matches:
            return []
        items = {match.item_id for match in matches}
        rows = await self._database.fetch(queries.FOUND_ITEMS, collection, list(items), deadline=deadline)
        by_item = {row["id"].hex: row for row in rows}
        return [
            _result(collection, match, by_item[match.item_id], stage_ms, question, version, links)
            for match in matches
            if match.item_id in by_item
        ]


def _result(
    collection: str,
    match: Match,
    row: Row,
    stage_ms: Mapping[str, float],
    question: Question,
    version: int,
    links: Links,
) -> schema.Result:
    item, image = match.item_id, match.image_id
    picture: schema.FoundImage | str = image
    if version < 2:
        picture = schema.FoundImage(
            uuid=image,
            thumb_120=links.thumb(collection, item, image, 120),
            thumb_60=links.thumb(collection, item, image, 60),
        )
    return schema.Result(
        item=_item(collection, match, row, question, version, links),
        image=picture,
        score=match.score,
        bbox=match.bbox if question.bboxes else UNSET,
        explain=_explanation(match, stage_ms) if question.explain else UNSET,
    )


def _item(
    collection: str, match: Match, row: Row, question: Question, version: int, links: Links
) -> schema.FoundItem:
    identifier = match.item_id
    custom: str | UnsetType = UNSET
    if row["custom"] is not None:
        custom = row["custom"].decode() if question.embed_custom else links.custom(collection, identifier)
    others = [image.hex for image in row["images"] if image.hex != match.image_id]
    return schema.FoundItem(
        uuid=identifier,
        name=row["name"],
        url=row["url"] or UNSET,
        custom=custom,
        content=UNSET if row["content"] is None else msgspec.Raw(row["content"].encode()),
        images=[match.image_id, *others] if version == 2 else UNSET,
        trackable=row["trackable"] if version == 2 else UNSET,
    )


def _explanation(match: Match, stage_ms: Mapping[str, float]) -> schema.Explanation:
    return schema.Explanation(
        inliers=match.inliers,
        matches=round(match.inliers / match.inlier_ratio) if match.inlier_ratio > 0 else 0,
        coverage=round(match.coverage, 4),
        homography=[float(value) for value in match.homography.reshape(-1)],
        stage_ms={name: round(spent, 2) for name, spent in stage_ms.items()},
    )
