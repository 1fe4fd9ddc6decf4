"""The neural networks of this process: loaded, warmed, each with the queue in front of it."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from models import manifest
from models.installed import Installed
from models.network import PROVIDERS, load
from models.session import GpuRequired
from server.batching import Batcher
from server.pipeline import Serving

if TYPE_CHECKING:
    from server.metrics import Metrics
    from server.pool import WorkPool
    from server.settings import Settings

logger = logging.getLogger(__name__)


class GpuMissing(RuntimeError):
    """A GPU is required, and no network runs on one."""


class Networks:
    """Every network of the manifest that looks at pictures and is installed; empty until opened."""

    def __init__(self, settings: Settings, pool: WorkPool, metrics: Metrics) -> None:
        self.manifest = manifest.load(settings.manifest)
        self.servings: dict[str, Serving] = {}
        self._installed = Installed(settings.data_dir / "models")
        self._settings = settings
        self._pool = pool
        self._metrics = metrics

    def is_alive(self) -> bool:
        """Whether every queue is served."""
        return all(serving.batcher.is_alive for serving in self.servings.values())

    async def open(self) -> None:
        """Load and warm them one after the other; raises what a network that cannot be used raises."""
        for spec in self.manifest.networks:
            # Networks that read tokens are loaded by what asks them: there is no queue of pictures for them.
            if spec.task == "text" or not self._installed.is_here(spec):
                continue
            try:
                network = await asyncio.to_thread(
                    load,
                    spec,
                    self._installed,
                    providers=self._settings.providers,
                    require_gpu=self._settings.require_gpu,
                )
            except GpuRequired as error:
                raise GpuMissing(f"AISLE_REQUIRE_GPU is set, but {error}") from error
            await asyncio.to_thread(network.warm)
            batcher = Batcher(
                network,
                # Lanes that fill the cores by themselves have nothing to gain from helpers.
                prepare_pool=self._pool.executor if network.exclusive else None,
                queue_limit=self._settings.limits.batch_queue,
                observer=self._metrics,
            )
            await batcher.start()
            self.servings[spec.name] = Serving(network, batcher)
            logger.info("network loaded", extra={"network": spec.name, "provider": network.provider})
        self._check_gpu()

    async def close(self) -> None:
        """Let each queue finish what it runs, then drop the networks."""
        await asyncio.gather(*(serving.batcher.stop() for serving in self.servings.values()))
        self.servings.clear()

    def _check_gpu(self) -> None:
        providers = {name: serving.network.provider for name, serving in self.servings.items()}
        if self._settings.require_gpu and PROVIDERS["cuda"] not in providers.values():
            found = ", ".join(f"{name} on {provider}" for name, provider in providers.items()) or "none"
            raise GpuMissing(f"AISLE_REQUIRE_GPU is set, but no network runs on a GPU: {found}")
