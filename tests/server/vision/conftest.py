"""A running server with /vision/v1 open to all, where the stub answers for whatever else ships."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import msgspec
import pytest

from server.settings import Settings
from tests.conftest import ClientFactory


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Vectors of 64 numbers that follow from the picture alone."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    manifest = settings.data_dir / "networks.toml"
    manifest.write_text('[defaults]\nembed = ["stub"]\n')
    return msgspec.structs.replace(settings, manifest=manifest)


@pytest.fixture
async def http(client: ClientFactory) -> AsyncIterator[httpx.AsyncClient]:
    async with client(vision_open=True) as http:
        yield http
