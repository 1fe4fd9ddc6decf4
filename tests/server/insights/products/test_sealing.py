"""Credentials at rest can be read by this server alone, and not for ever."""

import asyncio
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from server.data_folder import DataFolder
from server.insights.products import sealing
from server.insights.products.sealing import Sealing, Unsealable
from server.insights.voter import Credentials

ANN = Credentials("ann", password="hunter2", session=None)


async def opened(folder: Path) -> Sealing:
    made = Sealing(DataFolder(folder))
    await made.open()
    return made


async def test_what_is_sealed_comes_back_in_any_process_of_the_server(tmp_path: Path) -> None:
    first, second = await opened(tmp_path), await opened(tmp_path)
    sealed = first.seal(ANN)
    assert sealed is not None and "hunter2" not in sealed and "ann" not in sealed
    assert second.unseal(sealed) == ANN
    assert first.seal(None) is None and second.unseal(None) is None


async def test_processes_that_start_together_have_one_key(tmp_path: Path) -> None:
    made = await asyncio.gather(*(opened(tmp_path) for _ in range(20)))
    sealed = made[0].seal(ANN)
    assert [each.unseal(sealed) for each in made] == [ANN] * 20


async def test_another_key_opens_nothing(tmp_path: Path) -> None:
    sealed = (await opened(tmp_path / "one")).seal(ANN)
    with pytest.raises(Unsealable):
        (await opened(tmp_path / "two")).unseal(sealed)


async def test_old_credentials_cannot_be_read_any_more(tmp_path: Path) -> None:
    made = await opened(tmp_path)
    fernet = made._ready()
    assert isinstance(fernet, Fernet)
    late = fernet.encrypt_at_time(b'["ann","x",null]', current_time=1_000_000)
    assert sealing.LIFETIME_S == 86_400
    with pytest.raises(Unsealable):
        made.unseal(late.decode())
