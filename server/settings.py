"""The one frozen struct of settings, read once from the environment by `__main__`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import msgspec

T = TypeVar("T")

# Robotoff contract, /images/crop: both kinds of host, both endings, every sibling project.
OPEN_FOOD_FACTS_HOSTS = tuple(
    f"{kind}.open{project}facts.{ending}"
    for project in ("food", "beauty", "petfood", "products")
    for kind in ("images", "static")
    for ending in ("org", "net")
)


class SettingsError(ValueError):
    """A value in the environment that cannot be used; the message names the variable."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Upper bounds; an error that one of them causes names it."""

    query_bytes: int = 10 * 2**20
    query_pixels: int = 40_000_000
    reference_bytes: int = 20 * 2**20
    reference_pixels: int = 60_000_000
    json_bytes: int = 2 * 2**20
    import_line_bytes: int = 16 * 2**20
    images_per_request: int = 64
    urls_per_request: int = 64
    url_bytes: int = 2048
    # Work waiting for a thread or a network; beyond it callers get 503 with Retry-After.
    work_queue: int = 128
    batch_queue: int = 256
    scans_per_second: int = 100


class InsightOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What the Robotoff contract leaves to the operator, its rulings on conflicts (1.4) first."""

    questions_per_product: int = 1
    # 0 counts exactly, 100 is what the original answers at most.
    count_cap: int = 0
    with_logo_mode: str = "live"
    one_vote_per_voter: bool = False
    verify_credentials: bool = False
    automatic_delay_s: float = 600.0
    automatic_every_s: float = 120.0
    # Without them every product counts as unknown, and what is said of it is believed.
    product_checks: bool = True
    english_names: bool = False
    dump_python_literals: bool = False
    async_writes: bool = False
    product_opener_user: str | None = None
    product_opener_password: str | None = None
    events_url: str | None = None
    image_url: str = "https://images.openfoodfacts.org/images/products"
    trusted_proxies: tuple[str, ...] = ()


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything an operator can choose; defaults suit one laptop."""

    host: str = "127.0.0.1"
    port: int = 8000
    workers: int = 1
    data_dir: Path = Path(".aisle")
    database_url: str | None = None
    blob_url: str | None = None
    index_url: str | None = None
    manifest: Path | None = None
    public_url: str | None = None
    admin_key: str | None = None
    batch_job_key: str | None = None
    vision_open: bool = False
    product_opener_url: str | None = None
    fetch_allowed_hosts: tuple[str, ...] = ()
    fetch_allow_private: bool = False
    crop_allowed_domains: tuple[str, ...] = OPEN_FOOD_FACTS_HOSTS
    providers: tuple[str, ...] = ("cuda", "cpu")
    require_gpu: bool = False
    drain_s: float = 5.0
    request_timeout_s: float = 30.0
    log_level: str = "info"
    limits: Limits = Limits()
    insights: InsightOptions = InsightOptions()
    # Where several worker processes of one server keep their shared metric files.
    metrics_dir: Path | None = None

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Settings:
        """The settings of this process; `SettingsError` names the first bad variable."""
        read = _Reader(environ)
        default = cls()
        limit = Limits()
        return cls(
            host=read.text("AISLE_HOST") or default.host,
            port=read.integer("AISLE_PORT", default.port, 0, 65535),
            workers=read.integer("AISLE_WORKERS", default.workers, 1, 256),
            data_dir=Path(read.text("AISLE_DATA_DIR") or default.data_dir).expanduser().absolute(),
            database_url=read.url("AISLE_DATABASE_URL", ("postgresql", "postgres")),
            blob_url=read.url("AISLE_BLOB_URL", ("s3",)),
            index_url=read.url("AISLE_INDEX_URL", ("http", "https", "milvus", "file")),
            manifest=read.file("AISLE_MANIFEST"),
            public_url=read.url("AISLE_PUBLIC_URL", ("http", "https")),
            admin_key=read.secret("AISLE_ADMIN_KEY"),
            batch_job_key=read.secret("AISLE_BATCH_JOB_KEY"),
            vision_open=read.boolean("AISLE_VISION_OPEN", default.vision_open),
            product_opener_url=read.url("AISLE_PRODUCT_OPENER_URL", ("http", "https")),
            fetch_allowed_hosts=read.names("AISLE_FETCH_ALLOWED_HOSTS", default.fetch_allowed_hosts),
            fetch_allow_private=read.boolean("AISLE_FETCH_ALLOW_PRIVATE", default.fetch_allow_private),
            crop_allowed_domains=read.names("AISLE_CROP_ALLOWED_DOMAINS", default.crop_allowed_domains),
            providers=read.choices("AISLE_PROVIDERS", default.providers, ("cuda", "cpu")),
            require_gpu=read.boolean("AISLE_REQUIRE_GPU", default.require_gpu),
            drain_s=read.number("AISLE_DRAIN_S", default.drain_s, 0, 3600),
            request_timeout_s=read.number("AISLE_REQUEST_TIMEOUT_S", default.request_timeout_s, 0.01, 3600),
            log_level=read.choice(
                "AISLE_LOG_LEVEL", default.log_level, ("debug", "info", "warning", "error")
            ),
            limits=Limits(
                query_bytes=read.integer("AISLE_MAX_QUERY_BYTES", limit.query_bytes, 1, 2**31),
                query_pixels=read.integer("AISLE_MAX_QUERY_PIXELS", limit.query_pixels, 1, 2**31),
                reference_bytes=read.integer("AISLE_MAX_REFERENCE_BYTES", limit.reference_bytes, 1, 2**31),
                reference_pixels=read.integer("AISLE_MAX_REFERENCE_PIXELS", limit.reference_pixels, 1, 2**31),
                work_queue=read.integer("AISLE_WORK_QUEUE", limit.work_queue, 1, 2**20),
                batch_queue=read.integer("AISLE_BATCH_QUEUE", limit.batch_queue, 1, 2**20),
                scans_per_second=read.integer("AISLE_SCANS_PER_SECOND", limit.scans_per_second, 1, 2**20),
            ),
            insights=_insight_options(read),
            metrics_dir=read.directory("PROMETHEUS_MULTIPROC_DIR"),
        )


def _insight_options(read: _Reader) -> InsightOptions:
    default = InsightOptions()
    return InsightOptions(
        questions_per_product=read.integer(
            "AISLE_QUESTIONS_PER_PRODUCT", default.questions_per_product, 1, 1000
        ),
        count_cap=read.integer("AISLE_COUNT_CAP", default.count_cap, 0, 2**31),
        with_logo_mode=read.choice("AISLE_WITH_LOGO_MODE", default.with_logo_mode, ("live", "documented")),
        one_vote_per_voter=read.boolean("AISLE_ONE_VOTE_PER_VOTER", default.one_vote_per_voter),
        verify_credentials=read.boolean("AISLE_VERIFY_CREDENTIALS", default.verify_credentials),
        automatic_delay_s=read.number("AISLE_AUTOMATIC_DELAY_S", default.automatic_delay_s, 0, 31_536_000),
        automatic_every_s=read.number("AISLE_AUTOMATIC_EVERY_S", default.automatic_every_s, 0.1, 86_400),
        product_checks=read.boolean("AISLE_PRODUCT_CHECKS", default.product_checks),
        english_names=read.boolean("AISLE_ENGLISH_NAMES", default.english_names),
        dump_python_literals=read.boolean("AISLE_DUMP_PYTHON_LITERALS", default.dump_python_literals),
        async_writes=read.boolean("AISLE_ASYNC_WRITES", default.async_writes),
        product_opener_user=read.text("AISLE_PRODUCT_OPENER_USER"),
        product_opener_password=read.text("AISLE_PRODUCT_OPENER_PASSWORD"),
        events_url=read.url("AISLE_EVENTS_URL", ("redis", "rediss")),
        image_url=read.url("AISLE_IMAGE_URL", ("http", "https")) or default.image_url,
        trusted_proxies=read.names("AISLE_TRUSTED_PROXIES", default.trusted_proxies),
    )


class _Reader:
    """Typed reads of an environment; every complaint names the variable and what it takes."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    def text(self, name: str) -> str | None:
        return self._environ.get(name, "").strip() or None

    def secret(self, name: str) -> str | None:
        value = self.text(name)
        if value is not None and len(value) < 8:
            raise SettingsError(f"{name} must have at least 8 characters")
        return value

    def integer(self, name: str, default: int, low: int, high: int) -> int:
        return self._ranged(name, default, low, high, int, "a whole number")

    def number(self, name: str, default: float, low: float, high: float) -> float:
        return self._ranged(name, default, low, high, float, "a number")

    def boolean(self, name: str, default: bool) -> bool:
        value = self.text(name)
        if value is None:
            return default
        if value.lower() in ("1", "true", "yes", "on"):
            return True
        if value.lower() in ("0", "false", "no", "off"):
            return False
        raise SettingsError(f"{name} must be 1 or 0, not {value!r}")

    def names(self, name: str, default: tuple[str, ...]) -> tuple[str, ...]:
        """A comma-separated list; set but empty means the default."""
        value = self.text(name)
        if value is None:
            return default
        return tuple(part.strip().lower() for part in value.split(",") if part.strip())

    def choice(self, name: str, default: str, known: tuple[str, ...]) -> str:
        value = (self.text(name) or default).lower()
        if value not in known:
            raise SettingsError(f"{name} must be one of {', '.join(known)}, not {value!r}")
        return value

    def choices(self, name: str, default: tuple[str, ...], known: tuple[str, ...]) -> tuple[str, ...]:
        values = self.names(name, default)
        unknown = [value for value in values if value not in known]
        if unknown:
            raise SettingsError(f"{name} may list {', '.join(known)}, not {', '.join(unknown)}")
        return values

    def url(self, name: str, schemes: tuple[str, ...]) -> str | None:
        """The value never appears in the message: it may carry a password."""
        value = self.text(name)
        if value is None:
            return None
        scheme, separator, rest = value.partition("://")
        if not separator or not rest or scheme.lower() not in schemes:
            raise SettingsError(
                f"{name} must be a URL starting with {' or '.join(s + '://' for s in schemes)}"
            )
        return value.rstrip("/") if scheme.lower() in ("http", "https") else value

    def file(self, name: str) -> Path | None:
        value = self.text(name)
        if value is None:
            return None
        path = Path(value).expanduser()
        if not path.is_file():
            raise SettingsError(f"{name} must name a file that exists, not {value!r}")
        return path

    def directory(self, name: str) -> Path | None:
        value = self.text(name)
        return Path(value) if value else None

    def _ranged(
        self, name: str, default: T, low: float, high: float, parse: Callable[[str], T], kind: str
    ) -> T:
        value = self.text(name)
        if value is None:
            return default
        try:
            number = parse(value)
        except ValueError:
            raise SettingsError(f"{name} must be {kind}, not {value!r}") from None
        # Written so that a NaN fails too.
        if not low <= number <= high:  # type: ignore[operator]
            raise SettingsError(f"{name} must be from {low} to {high}, not {value!r}")
        return number
