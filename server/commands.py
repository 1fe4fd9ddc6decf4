"""What the other commands do, on the database of a running server or one started for the while."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import click
import msgspec
from tqdm import tqdm

from server import logs, migrate, postgres, transfer
from server.auth import Keys
from server.data_folder import DataFolder, DataFolderBusy
from server.db import Database
from server.postgres import Postgres
from server.settings import Settings

CHUNK_BYTES = 2**18
# How often the worker looks whether jobs still run.
WATCH_S = 5.0


@asynccontextmanager
async def reachable(settings: Settings, *, migrated: bool = True) -> AsyncIterator[Settings]:
    """Settings with the address of a database that answers: named, of a running server, or started here."""
    folder = DataFolder(settings.data_dir)
    own: Postgres | None = None
    url = settings.database_url
    if url is None:
        try:
            folder.hold()
        except DataFolderBusy:
            url = postgres.socket_url(folder.postgres)
        else:
            own = Postgres(folder.postgres)
            await asyncio.to_thread(own.start)
            url = own.url
    try:
        if migrated:
            await migrate.apply(url)
        yield msgspec.structs.replace(settings, database_url=url)
    finally:
        if own is not None:
            await asyncio.to_thread(own.stop)
        folder.release()


async def work(settings: Settings) -> int:
    """Run background jobs until told to stop; 1 when they ended by themselves."""
    logs.configure(settings.log_level)
    from server.app import create_app

    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with reachable(settings) as found:
        app = create_app(found)
        async with app.lifespan():
            while not stop.is_set():
                with suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), WATCH_S)
                if not app.jobs.is_alive:
                    return 1
    return 0


async def migrate_database(settings: Settings) -> None:
    """Apply what is missing and name it."""
    async with reachable(settings, migrated=False) as found:
        applied = await migrate.apply(str(found.database_url))
    click.echo("\n".join(applied) or "The schema is up to date.")


async def import_file(settings: Settings, kind: str, file: Path, options: Mapping[str, str]) -> int:
    """Import with a progress bar, print the report; 1 when a line failed."""
    from server.app import create_app

    async with reachable(settings) as found:
        app = create_app(found)
        known = transfer.find(app.kinds, kind)
        async with app.lifespan():
            report = await transfer.import_stream(
                known, _chunks(file), options, max_line_bytes=settings.limits.import_line_bytes
            )
    click.echo(msgspec.json.format(msgspec.json.encode(report)))
    return 1 if report.errors else 0


async def export_file(settings: Settings, kind: str, file: Path, options: Mapping[str, str]) -> None:
    """Write the lines of a kind to a file."""
    from server.app import create_app

    async with reachable(settings) as found:
        app = create_app(found)
        known = transfer.find(app.kinds, kind)
        aside = file.with_name(f"{file.name}.part")
        async with app.lifespan():
            with aside.open("wb") as target, tqdm(unit="B", unit_scale=True, desc=kind) as bar:
                async for piece in transfer.export_stream(known, options):
                    await asyncio.to_thread(target.write, piece)
                    bar.update(len(piece))
        aside.replace(file)


async def create_key(
    settings: Settings, product: str, name: str, scopes: Sequence[str], tenant: str | None
) -> None:
    """Print the answer of POST /admin/v1/keys."""
    async with _keys(settings) as keys:
        made, secret = await keys.create(product, name, scopes or ("read", "write"), tenant=tenant)
        owner = await keys.tenant(made.tenant)
    shown = {
        "id": made.id,
        "key": secret,
        "product": product,
        "name": name,
        "scopes": made.scopes,
        "tenant": made.tenant,
        "webhook_secret": owner.webhook_secret,
    }
    click.echo(msgspec.json.encode(shown))


async def list_keys(settings: Settings) -> None:
    """Print one JSON object per key."""
    async with _keys(settings) as keys:
        for key in await keys.list():
            click.echo(msgspec.json.encode(key))


async def delete_key(settings: Settings, key_id: str) -> None:
    """Revoke it."""
    async with _keys(settings) as keys:
        await keys.delete(key_id)
    click.echo(f"{key_id} is revoked.")


async def check(settings: Settings) -> int:
    """Start everything but the HTTP server, say what was found; 0 when ready."""
    from server.app import create_app

    async with reachable(settings) as found:
        app = create_app(found)
        async with app.lifespan():
            reasons = await app.health.reasons()
            for line in app.describe():
                click.echo(line)
    click.echo(f"Not ready: {', '.join(reasons)}" if reasons else "Ready.")
    return 1 if reasons else 0


async def save_index(settings: Settings, *, anew: bool) -> int:
    """Write a snapshot of every collection, `anew` from the database alone; 1 when one was not written."""
    from server.app import create_app

    async with reachable(settings) as found:
        app = create_app(found)
        if anew:
            await asyncio.to_thread(app.search.upkeep.discard)
        async with app.lifespan():
            written = await app.search.collections.save()
    for collection, is_written in written.items():
        click.echo(f"{collection}: {'written' if is_written else 'NOT written, see the log'}")
    return 0 if all(written.values()) else 1


@asynccontextmanager
async def _keys(settings: Settings) -> AsyncIterator[Keys]:
    async with reachable(settings) as found:
        database = Database(str(found.database_url), connections=2)
        await database.open()
        try:
            yield Keys(database)
        finally:
            await database.close()


async def _chunks(file: Path) -> AsyncIterator[bytes]:
    with file.open("rb") as source, tqdm(total=file.stat().st_size, unit="B", unit_scale=True) as bar:
        while chunk := await asyncio.to_thread(source.read, CHUNK_BYTES):
            bar.update(len(chunk))
            yield chunk
