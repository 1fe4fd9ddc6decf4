"""A running server with /vision/v1 open to all."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from tests.conftest import ClientFactory


@pytest.fixture
async def http(client: ClientFactory) -> AsyncIterator[httpx.AsyncClient]:
    async with client(vision_open=True) as http:
        yield http
