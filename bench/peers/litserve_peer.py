"""LitServe as its documentation tunes it: several workers, fast_queue, batching when PEER_BATCH > 1.

No `from __future__ import annotations`: LitServe reads the annotation of `request` as an object.
"""

import os
from typing import Annotated, Any

import litserve
import numpy as np
from fastapi import Body, Response
from network import Network
from numpy.typing import NDArray
from preprocess import chosen


class Embed(litserve.LitAPI):
    def setup(self, device: str) -> None:
        self.prepare = chosen()
        self.network = Network()

    def decode_request(self, request: Annotated[bytes, Body(media_type="image/jpeg")]) -> NDArray[np.float32]:
        return self.prepare(request)

    def batch(self, inputs: list[NDArray[np.float32]]) -> NDArray[np.float32]:
        return np.concatenate(inputs)

    def unbatch(self, output: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        return list(output)

    def predict(self, x: Any) -> NDArray[np.float32]:
        return self.network.run(x)

    def encode_response(self, output: NDArray[np.float32]) -> Response:
        return Response(output.tobytes(), media_type="application/octet-stream")


if __name__ == "__main__":
    batch = int(os.environ.get("PEER_BATCH", "1"))
    api = Embed(max_batch_size=batch, batch_timeout=0.0 if batch == 1 else 0.001, api_path="/embed")
    server = litserve.LitServer(
        api,
        accelerator="cpu",
        workers_per_device=int(os.environ["PEER_PROCESSES"]),
        fast_queue=os.environ.get("PEER_FAST_QUEUE", "1") == "1",
    )
    server.run(
        port=int(os.environ["PEER_PORT"]),
        num_api_servers=int(os.environ.get("PEER_API_SERVERS", "1")),
        generate_client_file=False,
        log_level="warning",
        access_log=False,
    )
