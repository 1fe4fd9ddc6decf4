"""Corrected ingredient lists from a batch job become predictions (contract 1.2.32, 4.6)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from server import errors
from server.insights import barcodes
from server.insights.engine.predictions import NewPrediction
from server.jobs import JobKind
from server.transfer import Kind, Line, Result, import_stream

if TYPE_CHECKING:
    from models.language import Language, LanguageIdentifier
    from server.db import Database
    from server.insights.engine.importer import Importer
    from server.insights.events.batch_files import BatchFiles
    from server.jobs import Jobs

logger = logging.getLogger(__name__)

JOB = "batch_import"
JOB_TYPES = ("ingredients_spellcheck",)
SERVER_TYPE = "off"
TYPE = "ingredient_spellcheck"
PREDICTOR = "fine-tuned-mistral-7b"
BATCH_LINES = 100
MAX_LINE_BYTES = 2**20
# Behind everything that somebody waits for.
PRIORITY = -10

Text = Annotated[str, msgspec.Meta(min_length=1, max_length=100_000)]


class CorrectedLine(msgspec.Struct, frozen=True, kw_only=True):
    """One ingredient list as it stands on a product, and as it should."""

    code: str | int
    text: Text
    correction: Text
    lang: Annotated[str, msgspec.Meta(pattern=r"^[a-z]{2,3}$")]

    def __post_init__(self) -> None:
        barcodes.checked(str(self.code))
        if "\x00" in self.text + self.correction:
            raise errors.BadRequest("Null characters are not allowed")


class BatchImport:
    """Imports the files of a batch as a job; a folder that cannot be read ends as a dead letter."""

    def __init__(self, database: Database, jobs: Jobs, files: BatchFiles, importer: Importer) -> None:
        self._database = database
        self._jobs = jobs
        self._files = files
        self._importer = importer
        self.kind = JobKind(JOB, self._run, concurrency=1, max_attempts=3)

    async def schedule(self, folder: str) -> None:
        """Import it soon."""
        # Made here, so that a job that is tried again makes the same predictions.
        payload = {"batch_dir": folder, "version": f"llm-v1-{int(datetime.now(UTC).timestamp())}"}
        async with self._database.transaction() as connection:
            await self._jobs.enqueue(connection, JOB, payload, priority=PRIORITY)

    async def _run(self, payload: dict[str, Any]) -> None:
        version: str = payload["version"]

        async def import_lines(batch: Sequence[Line], options: Mapping[str, str]) -> Sequence[Result]:
            good: list[CorrectedLine] = [line.value for line in batch]
            languages = await asyncio.to_thread(_identified, [line.text for line in good])
            new = [_prediction(line, found, version) for line, found in zip(good, languages, strict=True)]
            outcomes = await self._importer.import_predictions(SERVER_TYPE, new)
            return [Result(outcome.error, outcome.skipped, outcome.id) for outcome in outcomes]

        kind = Kind(TYPE, import_lines, batch_lines=BATCH_LINES, row=CorrectedLine)
        for name in await self._files.names(payload["batch_dir"]):
            report = await import_stream(kind, self._files.chunks(name), {}, max_line_bytes=MAX_LINE_BYTES)
            counts = {"read": report.read, "imported": report.imported, "skipped": report.skipped}
            wrong = [f"{error.line}: {error.error}" for error in report.errors[:10]]
            logger.info("batch file imported", extra={"file": name, **counts, "errors": wrong})


def _prediction(line: CorrectedLine, found: list[Language], version: str) -> NewPrediction:
    language = found[0] if found else None
    return NewPrediction(
        barcode=barcodes.checked(str(line.code)),
        type=TYPE,
        data={
            "original": line.text,
            "correction": line.correction,
            "lang": None if language is None else language.label,
            "lang_confidence": None if language is None else language.probability,
        },
        value_tag=line.lang,
        predictor=PREDICTOR,
        predictor_version=version,
        automatic_processing=False,
    )


def _identified(texts: Sequence[str]) -> list[list[Language]]:
    return _identifier().identify(texts)


@cache
def _identifier() -> LanguageIdentifier:
    """Loaded with the first batch: most servers never see one."""
    from models.language import LanguageIdentifier

    return LanguageIdentifier()
