"""The servers that `bench.whole_job` compares, each peer in the shapes its documentation would tune it to."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

from bench import networks
from bench.peers.servers import ROOT, Server, peer
from models.manifest import NetworkSpec

MODEL = "mobilenet-random"


class Contender(msgspec.Struct, frozen=True, kw_only=True):
    """A server under test: where it takes pictures and how one knows that it is up."""

    name: str
    server: Server
    path: str
    probe: str
    headers: dict[str, str]


def aisle(folder: Path, network: Path) -> list[Contender]:
    """This server, the network added by a manifest and the route open; two sizes of batches to try."""
    return [
        _aisle(folder / "one", network, "batches of 1", (1,)),
        _aisle(folder / "four", network, "batches up to 4", (1, 2, 4)),
    ]


def _aisle(folder: Path, network: Path, name: str, buckets: tuple[int, ...]) -> Contender:
    folder.mkdir()
    manifest = folder / "manifest.toml"
    manifest.write_text(_manifest(networks.spec(network, batch_buckets=buckets), network))
    environment = {
        "AISLE_MANIFEST": str(manifest),
        "AISLE_DATA_DIR": str(folder / "data"),
        "AISLE_VISION_OPEN": "1",
        "AISLE_PROVIDERS": "cpu",
        # The peers write no access log either.
        "AISLE_LOG_LEVEL": "warning",
    }
    return Contender(
        name=name,
        server=Server(
            name="Aisle",
            command=(sys.executable, "-m", "server", "serve"),
            environment=environment,
            folder=ROOT,
        ),
        path=f"/vision/v1/embed?model={MODEL}",
        probe="/health/ready",
        headers={"Content-Type": "image/jpeg", "Accept": "application/octet-stream"},
    )


def _manifest(spec: NetworkSpec, network: Path) -> str:
    wanted = spec.input
    assert wanted is not None
    return f"""[[networks]]
name = "{MODEL}"
version = "{spec.version}"
task = "embed"
source = {{ kind = "file", path = "{network}" }}
sha256 = "{spec.sha256}"
licence = "{spec.licence}"
embedding_space = "{spec.embedding_space}"
dimension = {spec.dimension}
batch_buckets = {list(spec.batch_buckets)}
[networks.input]
size = {wanted.size}
geometry = "{wanted.geometry}"
mean = {list(wanted.mean)}
std = {list(wanted.std)}
"""


def peers(network: Path, way: str, cores: int) -> dict[str, list[Contender]]:
    """Per peer the shapes to try; the best one runs in the comparison."""
    both = {"NETWORK": str(network), "WAY": way}
    wide = str(cores)
    return {
        "FastAPI": [
            _peer(f"{cores} threads", "fastapi_peer.py", "/health", {**both, "THREADS": wide}),
            _peer(f"{cores + 1} threads", "fastapi_peer.py", "/health", {**both, "THREADS": str(cores + 1)}),
            _peer(
                f"{cores} processes of 1 thread",
                "fastapi_peer.py",
                "/health",
                {**both, "THREADS": "1", "PROCESSES": wide},
            ),
        ],
        "mosec": [
            _peer(
                f"{cores} workers that do both",
                "mosec_peer.py",
                "/",
                {**both, "PROCESSES": wide, "SHAPE": "joint"},
            ),
            _peer(
                f"{cores} preprocessing workers, 1 inference worker, batch 8",
                "mosec_peer.py",
                "/",
                {**both, "PROCESSES": wide, "SHAPE": "staged", "BATCH": "8"},
            ),
        ],
        "LitServe": [
            _peer(f"{cores} workers, fast_queue", "litserve_peer.py", "/health", {**both, "PROCESSES": wide}),
            _peer(
                f"{cores} workers, fast_queue, batch 4",
                "litserve_peer.py",
                "/health",
                {**both, "PROCESSES": wide, "BATCH": "4"},
            ),
            _peer(
                f"{cores} workers, plain queue",
                "litserve_peer.py",
                "/health",
                {**both, "PROCESSES": wide, "FAST_QUEUE": "0"},
            ),
        ],
    }


def usual(network: Path) -> Contender:
    """FastAPI as it is usually written: Pillow without `draft`, the default 40 threads."""
    options = {"NETWORK": str(network), "WAY": "pillow, full decode", "THREADS": "40"}
    return _peer("FastAPI as usually written, not tuned", "fastapi_peer.py", "/health", options)


def _peer(name: str, script: str, probe: str, options: dict[str, str]) -> Contender:
    return Contender(
        name=name,
        server=peer(name, script, options),
        path="/embed",
        probe=probe,
        headers={"Content-Type": "image/jpeg"},
    )
