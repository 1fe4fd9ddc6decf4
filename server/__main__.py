"""`python -m server`: the commands. The only place that reads the environment."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from server import machine
from server.settings import Settings, SettingsError

if TYPE_CHECKING:
    from collections.abc import Coroutine


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.pass_context
def main(context: click.Context) -> None:
    """Aisle: image recognition for products."""
    try:
        context.obj = Settings.from_env(os.environ)
    except SettingsError as fault:
        raise click.ClickException(str(fault)) from None
    # Before anything numeric is imported.
    machine.prepare(os.environ, context.obj.data_dir)


@main.command()
@click.pass_obj
def serve(settings: Settings) -> None:
    """Serve, with an embedded database unless AISLE_DATABASE_URL names one."""
    from server import supervisor

    sys.exit(supervisor.run(settings, os.environ))


@main.command(hidden=True)
@click.option("--early", is_flag=True, help="Listen before everything is ready.")
@click.pass_obj
def serve_worker(settings: Settings, early: bool) -> None:
    """One worker process of `serve`."""
    from server import serve as worker

    worker.main(settings, early=early)


@main.command()
@click.pass_obj
def worker(settings: Settings) -> None:
    """Run background jobs only, beside servers that share the database."""
    from server import commands

    sys.exit(_run(commands.work(settings)))


@main.command()
@click.pass_obj
def demo(settings: Settings) -> None:
    """Serve with samples loaded, and show what to try."""
    from server.demo import main as show

    sys.exit(show(settings, os.environ))


@main.command()
@click.pass_obj
def check(settings: Settings) -> None:
    """Say whether a server could start here, and what it would have."""
    from server import commands

    sys.exit(_run(commands.check(settings)))


@main.command()
@click.pass_obj
def migrate(settings: Settings) -> None:
    """Bring the database to this version's schema."""
    from server import commands

    _run(commands.migrate_database(settings))


@main.command("import")
@click.argument("kind")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("options", "--option", "-o", multiple=True, metavar="NAME=VALUE", help="As in the URL's query.")
@click.pass_obj
def import_file(settings: Settings, kind: str, file: Path, options: tuple[str, ...]) -> None:
    """Import a file of JSON lines, gzip or plain; the same as POST /admin/v1/import/KIND."""
    from server import commands

    sys.exit(_run(commands.import_file(settings, kind, file, _pairs(options))))


@main.command()
@click.argument("kind")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("options", "--option", "-o", multiple=True, metavar="NAME=VALUE", help="As in the URL's query.")
@click.pass_obj
def export(settings: Settings, kind: str, file: Path, options: tuple[str, ...]) -> None:
    """Export rows as JSON lines that import takes back."""
    from server import commands

    _run(commands.export_file(settings, kind, file, _pairs(options)))


@main.group()
def index() -> None:
    """Snapshots of the indexes, which make starts fast; the database holds the truth."""


@index.command("build")
@click.pass_obj
def build_index(settings: Settings) -> None:
    """Make every index anew from the database and write its snapshot."""
    from server import commands

    sys.exit(_run(commands.save_index(settings, anew=True)))


@index.command("snapshot")
@click.pass_obj
def snapshot_index(settings: Settings) -> None:
    """Bring every snapshot up to date."""
    from server import commands

    sys.exit(_run(commands.save_index(settings, anew=False)))


@index.command("verify")
@click.pass_obj
def verify_index(settings: Settings) -> None:
    """Read every snapshot whole and say what is in it; fails when one is damaged."""
    from server.data_folder import DataFolder
    from server.search.upkeep import Upkeep

    found = Upkeep(DataFolder(settings.data_dir).snapshots).check()
    for collection, what in found.items():
        click.echo(f"{collection}: {what}")
    sys.exit(any(what.startswith("refused") for what in found.values()))


@main.group()
def key() -> None:
    """Make, list and revoke keys of the products."""


@key.command("create")
@click.argument("product", type=click.Choice(["search", "shelf", "moderation", "vision"]))
@click.option("--name", default="", help="For people.")
@click.option(
    "scopes", "--scope", multiple=True, type=click.Choice(["read", "write"]), help="Both by default."
)
@click.option("--tenant", help="An existing tenant instead of a new one.")
@click.pass_obj
def create_key(
    settings: Settings, product: str, name: str, scopes: tuple[str, ...], tenant: str | None
) -> None:
    """Print a new key, once."""
    from server import commands

    _run(commands.create_key(settings, product, name, scopes, tenant))


@key.command("list")
@click.pass_obj
def list_keys(settings: Settings) -> None:
    """Print every key without its secret."""
    from server import commands

    _run(commands.list_keys(settings))


@key.command("delete")
@click.argument("key_id")
@click.pass_obj
def delete_key(settings: Settings, key_id: str) -> None:
    """Revoke a key at once."""
    from server import commands

    _run(commands.delete_key(settings, key_id))


def _run(work: Coroutine[object, object, int | None]) -> int:
    """The command's exit code; our own errors become one line."""
    from server.errors import AisleError

    try:
        return asyncio.run(work) or 0
    except AisleError as fault:
        raise click.ClickException(fault.message) from fault
    except RuntimeError as fault:
        raise click.ClickException(str(fault)) from fault


def _pairs(options: tuple[str, ...]) -> dict[str, str]:
    pairs = {}
    for option in options:
        name, separator, value = option.partition("=")
        if not separator:
            raise click.BadParameter(f"{option!r} is not NAME=VALUE")
        pairs[name] = value
    return pairs


if __name__ == "__main__":
    from server.models_command import models

    main.add_command(models)
    main(prog_name="python -m server")
