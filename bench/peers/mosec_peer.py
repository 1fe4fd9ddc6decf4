"""mosec in the two shapes its documentation gives: PEER_SHAPE=joint or staged.

joint: PEER_PROCESSES workers, each decodes and runs the network. staged: PEER_PROCESSES preprocessing workers
feed one inference worker through mosec's own IPC, with dynamic batching up to PEER_BATCH.
"""

import os

import numpy as np
from mosec import Server, Worker
from network import Network
from numpy.typing import NDArray
from preprocess import chosen


class _Raw(Worker):
    """Bytes in, octets out, in place of mosec's default JSON."""

    resp_mime_type = "application/octet-stream"

    def deserialize(self, data: bytes) -> bytes:
        return data

    def serialize(self, data: NDArray[np.float32]) -> bytes:
        return data.tobytes()


class Embed(_Raw):
    def __init__(self) -> None:
        super().__init__()
        self.prepare = chosen()
        self.network = Network()

    def forward(self, data: bytes) -> NDArray[np.float32]:
        return self.network.run(self.prepare(data))[0]


class Prepare(_Raw):
    def __init__(self) -> None:
        super().__init__()
        self.prepare = chosen()

    def forward(self, data: bytes) -> NDArray[np.float32]:
        return self.prepare(data)


class Infer(_Raw):
    def __init__(self) -> None:
        super().__init__()
        self.network = Network()

    def forward(self, data: list[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
        return list(self.network.run(np.concatenate(data)))


if __name__ == "__main__":
    # mosec reads its own flags from the environment: bench.peers.servers sets MOSEC_PORT and the rest.
    server = Server()
    processes = int(os.environ["PEER_PROCESSES"])
    if os.environ["PEER_SHAPE"] == "joint":
        server.append_worker(Embed, num=processes, route="/embed")
    else:
        batch = int(os.environ["PEER_BATCH"])
        server.append_worker(Prepare, num=processes, route="/embed")
        server.append_worker(Infer, num=1, max_batch_size=batch, max_wait_time=1, route="/embed")
    server.run()
