"""`python -m server models list|verify|pull`: which neural networks there are, here and to be had."""

from __future__ import annotations

import click

from models import manifest
from models.installed import Installed
from models.manifest import Hub, ManifestRejected, NetworkSpec
from models.pull import PullFailed, pull
from server.settings import Settings

_pass_settings = click.make_pass_decorator(Settings)


@click.group(name="models")
def models() -> None:
    """Neural networks: list them, check their files, fetch public ones."""


@models.command(name="list")
@_pass_settings
def list_networks(settings: Settings) -> None:
    """Every network of the manifest; `*` marks the one that serves its task."""
    known, installed = _open(settings)
    chosen = [installed.choose(known, spec.task) for spec in known.networks]
    rows = [("", "NAME", "VERSION", "TASK", "INSTALLED", "SIZE", "LICENCE", "SOURCE")]
    for spec, serving in zip(known.networks, chosen, strict=True):
        mark = "*" if spec == serving else ""
        here = "yes" if installed.is_here(spec) else "no"
        size = _size(installed, spec)
        rows.append((mark, spec.name, spec.version, spec.task, here, size, spec.licence, _source(spec)))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


@models.command()
@click.argument("names", nargs=-1)
@_pass_settings
def verify(settings: Settings, names: tuple[str, ...]) -> None:
    """Hash the files of the installed networks, or of those named, again; exit 1 if any is not as pinned."""
    known, installed = _open(settings)
    specs = _named(known, names) if names else [spec for spec in known.networks if installed.is_here(spec)]
    states = {spec.name: installed.verify(spec) for spec in specs}
    for name, state in states.items():
        click.echo(f"{name}: {state}")
    if set(states.values()) - {"ok"}:
        raise SystemExit(1)


@models.command(name="pull")
@click.argument("names", nargs=-1, required=True)
@click.option("--offline", is_flag=True, help="Use only what an earlier pull has fetched.")
@_pass_settings
def pull_networks(settings: Settings, names: tuple[str, ...], offline: bool) -> None:
    """Fetch public networks into the data directory and pin what came."""
    known, installed = _open(settings)
    for spec in _named(known, names):
        try:
            record = pull(spec, installed, offline=offline)
        except PullFailed as error:
            raise click.ClickException(str(error)) from error
        click.echo(f"{spec.name}: {record.size_bytes / 1e6:.1f} MB, sha256 {record.sha256}")
    click.echo("Restart the server to use what was pulled.")


def _open(settings: Settings) -> tuple[manifest.Manifest, Installed]:
    try:
        known = manifest.load(settings.manifest)
    except ManifestRejected as error:
        raise click.ClickException(str(error)) from error
    return known, Installed(settings.data_dir / "models")


def _named(known: manifest.Manifest, names: tuple[str, ...]) -> list[NetworkSpec]:
    found = [known.find(name) for name in names]
    unknown = [name for name, spec in zip(names, found, strict=True) if spec is None]
    if unknown:
        raise click.ClickException(f"no such network: {', '.join(unknown)}")
    return [spec for spec in found if spec is not None]


def _size(installed: Installed, spec: NetworkSpec) -> str:
    path = installed.path(spec)
    return "" if path is None else f"{path.stat().st_size / 1e6:.1f} MB"


def _source(spec: NetworkSpec) -> str:
    if isinstance(spec.source, Hub):
        return f"{spec.source.repository}@{spec.source.revision[:12]}"
    return "shipped"
