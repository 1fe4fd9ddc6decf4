"""The limit: decode, resize and network on as many threads as there are cores, in one process, without HTTP.

python -m bench.peers.in_process NETWORK.onnx PICTURE.jpg SECONDS      prints pictures per second
"""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path

import numpy as np

from bench import networks
from kernels import decode, resize
from models.network import Network, usable_cores

LIMITS = decode.ImageLimits(max_bytes=10 * 2**20, max_pixels=40_000_000)


def rate(network: Network, data: bytes, threads: int, seconds: float) -> float:
    """Pictures per second, each thread decoding into a buffer of its own and running the network on it."""
    wanted = network.spec.input
    assert wanted is not None
    counts = [0] * threads

    def work(number: int) -> None:
        slot = np.zeros((1, 3, wanted.size, wanted.size), wanted.dtype)
        while time.perf_counter() < ends_at:
            pixels = decode.rgb(data, LIMITS, cover=wanted.size)
            resize.into_slot(pixels, slot[0], geometry=wanted.geometry, mean=wanted.mean, std=wanted.std)
            network.run(slot)
            counts[number] += 1

    began = time.perf_counter()
    ends_at = began + seconds
    workers = [threading.Thread(target=work, args=(number,)) for number in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return sum(counts) / (time.perf_counter() - began)


def main() -> None:
    path, picture, seconds = Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3])
    network = Network(networks.spec(path), path, providers=("cpu",))
    network.warm()
    data = picture.read_bytes()
    rate(network, data, usable_cores(), 0.5)
    print(rate(network, data, usable_cores(), seconds))


if __name__ == "__main__":
    main()
