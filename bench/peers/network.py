"""The ONNX file of PEER_NETWORK, tuned alike for every peer: one thread per call, no spinning."""

from __future__ import annotations

import os

import numpy as np
import onnxruntime
from numpy.typing import NDArray


class Network:
    def __init__(self) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = int(os.environ.get("PEER_INTRA_THREADS", "1"))
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(
            os.environ["PEER_NETWORK"], options, providers=["CPUExecutionProvider"]
        )
        self._input = self._session.get_inputs()[0].name
        size = self._session.get_inputs()[0].shape[2:]
        self.run(np.zeros((1, 3, *size), np.float32))

    def run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """(N, 3, S, S) to (N, D), unit norm."""
        rows = self._session.run(None, {self._input: batch})[0]
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)
