"""A small stock of pictures and logos, so that the tests need not draw what training draws only once."""

from __future__ import annotations

import importlib
from collections.abc import Iterator

import pytest

from models.train.render import design


@pytest.fixture(scope="package", autouse=True)
def small_stock() -> Iterator[None]:
    cached = (design.design, design.picture)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(design, "PICTURES", 5)
        # The package offers a function of the same name as this module.
        patch.setattr(importlib.import_module("models.train.render.logo"), "STOCK", 24)
        for function in cached:
            function.cache_clear()
        yield
    for function in cached:
        function.cache_clear()
