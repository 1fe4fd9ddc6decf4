"""Insights put together: every object of this product, made once per process."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from litestar import Router

from server.data_folder import DataFolder
from server.db import Database
from server.insights import (
    kinds_images,
    kinds_insights,
    kinds_logos,
    kinds_predictions,
    kinds_products,
    kinds_taxonomies,
    routes,
    schema,
    tally,
)
from server.insights.annotation.annotate import VOTE_CONNECTIONS, Annotator
from server.insights.annotation.credential_check import CredentialCheck
from server.insights.asking.question_values import QuestionValues
from server.insights.asking.questions import Questions
from server.insights.asking.wording import Wording
from server.insights.engine.importer import Importer
from server.insights.events.batch_files import BatchFiles
from server.insights.events.batch_import import BatchImport
from server.insights.events.batch_key import BatchKey
from server.insights.events.dataset import Dataset
from server.insights.events.events import SETTLE_S, Events
from server.insights.events.stream import Stream
from server.insights.products.local_products import LocalProducts
from server.insights.products.product_opener import ProductOpener
from server.insights.products.product_server import ProductServer
from server.insights.products.sealing import Sealing
from server.insights.reader import Reader
from server.insights.reading import checks
from server.insights.reading.checks import Checks
from server.insights.reading.image_predictions import ImagePredictions
from server.insights.reading.insight_dump import InsightDump
from server.insights.reading.insight_pages import InsightPages
from server.insights.reading.overview import Overview
from server.insights.reading.prediction_pages import PredictionPages
from server.insights.schedule import Schedule
from server.insights.taxonomy import Taxonomies

if TYPE_CHECKING:
    from server.fetch import Fetcher
    from server.jobs import JobKind, Jobs
    from server.metrics import Metrics
    from server.settings import Settings
    from server.transfer import Kind


class Insights:
    """Open it after the database, before the jobs."""

    prefixes = routes.PREFIXES
    envelope = staticmethod(schema.envelope)

    def __init__(
        self, settings: Settings, *, database: Database, fetcher: Fetcher, jobs: Jobs, metrics: Metrics
    ) -> None:
        self.taxonomies = Taxonomies(database)
        options = settings.insights
        self._product_opener = _product_opener(settings, database, jobs)
        products = self._product_opener or LocalProducts(database)
        self.importer = Importer(
            database=database,
            products=products,
            taxonomies=self.taxonomies,
            product_checks=options.product_checks,
            automatic_delay_s=options.automatic_delay_s,
        )
        events = Events(
            database=database,
            jobs=jobs,
            products=products,
            refresh=self.importer.refresh,
            settle_s=SETTLE_S if self._product_opener else 0.0,
        )
        self._stream = (
            None
            if options.events_url is None
            else Stream(options.events_url, database=database, events=events)
        )
        self.kinds: tuple[Kind, ...] = (
            kinds_products.kind(database, events.delete_product),
            *kinds_insights.kinds(database),
            *kinds_images.kinds(database, events.delete_image),
            *kinds_logos.kinds(database, events.delete_logo),
            *kinds_taxonomies.kinds(database, self.taxonomies),
            *kinds_predictions.kinds(database, self.importer),
        )
        dataset = Dataset(database, jobs, self.importer.refresh)
        batches = BatchFiles(settings.blob_url, settings.data_dir)
        batch_import = BatchImport(database, jobs, batches, self.importer)
        self.job_kinds: tuple[JobKind, ...] = (batch_import.kind, events.job_kind, dataset.kind)
        if self._product_opener is not None:
            self.job_kinds = (*self.job_kinds, self._product_opener.job_kind)
        self._votes = Database(database.url, connections=VOTE_CONNECTIONS)
        self.annotator = Annotator(
            database,
            products,
            self.importer.refresh,
            votes=self._votes,
            one_vote_per_voter=options.one_vote_per_voter,
        )
        self._automatic = Schedule("automatic insights", self.annotator.apply_due, options.automatic_every_s)
        self._reader = Reader(database.url)
        self._folding = Schedule("tally", partial(tally.fold, database), tally.FOLD_EVERY_S)
        question_values = QuestionValues(
            self.taxonomies, Wording(), image_url=options.image_url, english_names=options.english_names
        )
        self._credential_check = CredentialCheck(
            ProductServer(settings.product_opener_url)
            if options.verify_credentials and settings.product_opener_url
            else None
        )
        self.router: Router = routes.router(
            {
                "database": database,
                "options": options,
                "annotator": self.annotator,
                "batch_import": batch_import,
                "batch_key": BatchKey(settings.batch_job_key),
                "credential_check": self._credential_check,
                "events": events,
                "checks": Checks(checks.own(database, products)),
                "dataset": dataset,
                "insight_pages": InsightPages(database, count_cap=options.count_cap),
                "insight_dump": InsightDump(database, python_literals=options.dump_python_literals),
                "overview": Overview(database, products),
                "prediction_pages": PredictionPages(database),
                "questions": Questions(self._reader, question_values, options),
                "seen": ImagePredictions(database, with_logo_mode=options.with_logo_mode),
            }
        )

    @property
    def is_alive(self) -> bool:
        """Whether everything beside requests still runs."""
        if self._stream is not None and not self._stream.is_alive:
            return False
        return self.taxonomies.is_alive and self._folding.is_alive and self._automatic.is_alive

    async def open(self) -> None:
        """Start what runs beside requests."""
        if self._product_opener is not None:
            await self._product_opener.open()
        if self._stream is not None:
            await self._stream.open()
        await self.taxonomies.open()
        await self._reader.open()
        await self._folding.open()
        await self._credential_check.open()
        await self._votes.open()
        await self._automatic.open()

    async def close(self) -> None:
        """Stop it."""
        if self._stream is not None:
            await self._stream.close()
        await self._automatic.close()
        await self.annotator.close()
        await self._votes.close()
        await self._credential_check.close()
        await self._folding.close()
        await self._reader.close()
        await self.taxonomies.close()
        if self._product_opener is not None:
            await self._product_opener.close()


def _product_opener(settings: Settings, database: Database, jobs: Jobs) -> ProductOpener | None:
    """The operator's product server, None where products are our own."""
    if settings.product_opener_url is None:
        return None
    options = settings.insights
    server = ProductServer(
        settings.product_opener_url,
        user=options.product_opener_user,
        password=options.product_opener_password,
    )
    if not options.async_writes:
        return ProductOpener(database, server)
    return ProductOpener(database, server, jobs=jobs, sealing=Sealing(DataFolder(settings.data_dir)))
