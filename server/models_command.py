"""`python -m server models list|verify|pull`: which neural networks there are, here and to be had."""

from __future__ import annotations

import click

from models import manifest, prompts, selfcheck, text_network
from models.installed import Installed
from models.manifest import Hub, ManifestRejected, NetworkSpec
from models.network import NetworkMissing, NetworkRejected, load
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
        here = "cannot run" if spec.unsupported else "yes" if installed.is_here(spec) else "no"
        size = _size(installed, spec)
        rows.append((mark, spec.name, spec.version, spec.task, here, size, spec.licence, _source(spec)))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


@models.command()
@click.argument("names", nargs=-1)
@click.option("--files-only", is_flag=True, help="Hash the files; load and run nothing.")
@_pass_settings
def verify(settings: Settings, names: tuple[str, ...], files_only: bool) -> None:
    """Check the installed networks, or those named: files, answers, speed; exit 1 if anything is wrong.

    Each is hashed, loaded and run: its answer has to be finite, repeatable, of the right shape, and the
    recorded one where the manifest has it.
    """
    known, installed = _open(settings)
    specs = _named(known, names) if names else [spec for spec in known.networks if installed.is_here(spec)]
    is_good = True
    for spec in specs:
        state = installed.verify(spec)
        lines = [state] if state != "ok" or files_only else _checked(settings, spec, installed)
        is_good &= state == "ok" and len(lines) == 1
        click.echo(f"{spec.name}: {lines[0]}")
        for line in lines[1:]:
            click.echo(f"  {line}")
    if not is_good:
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
            click.echo(f"{spec.name}: {record.size_bytes / 1e6:.1f} MB, sha256 {record.sha256}")
            if prompts.can_describe(spec):
                prompts.keep(spec, installed, providers=settings.providers)
                click.echo(f"{spec.name}: tags have vectors in the space {spec.embedding_space}")
        except (PullFailed, NetworkMissing, NetworkRejected, prompts.PromptsMissing) as error:
            raise click.ClickException(str(error)) from error
    click.echo("Restart the server to use what was pulled.")


def _checked(settings: Settings, spec: NetworkSpec, installed: Installed) -> list[str]:
    """One line of figures, then one for each fault."""
    try:
        if spec.task == "text":
            report = selfcheck.check_text(text_network.load(spec, installed, providers=settings.providers))
        else:
            report = selfcheck.check(load(spec, installed, providers=settings.providers))
    except Exception as error:  # whatever a network raises: the others are checked all the same
        return ["ok, but it does not run", str(error)]
    figures = (
        f"{report.provider}, {report.single_ms:.2f} ms alone, {report.batch_ms:.2f} ms for {report.batch}, "
        f"{report.per_second:.0f} a second"
    )
    return [f"{'ok' if not report.faults else 'wrong'}, {figures}", *report.faults]


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
