"""An ONNX Runtime session on the first execution provider that works, with the threads the manifest asks for."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import onnxruntime

from models.manifest import NetworkSpec

PROVIDERS = {"cuda": "CUDAExecutionProvider", "cpu": "CPUExecutionProvider"}

# Severities of ONNX Runtime's log.
_WARNING, _ERROR, _FATAL = 2, 3, 4


class NetworkRejected(RuntimeError):
    """The file is not the network of the manifest, or it runs where it must not; the message says which."""


class GpuRequired(NetworkRejected):
    """It runs, but on no GPU, which it must."""


def usable_cores() -> int:
    """How many cores this process may run on."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS
        return os.cpu_count() or 1


def open_session(
    spec: NetworkSpec, path: Path, providers: Sequence[str], cores: int, *, require_gpu: bool = False
) -> onnxruntime.InferenceSession:
    """A session on the first provider that works, in silence: a missing GPU is no error unless required.

    `cores` stands for "cores" in the manifest. Raises NetworkRejected.
    """
    present = onnxruntime.get_available_providers()
    attempts: list[list[Any]] = [[PROVIDERS["cpu"]]]
    if "cuda" in providers and PROVIDERS["cuda"] in present and providers[0] == "cuda":
        attempts.insert(0, [(PROVIDERS["cuda"], _cuda_options(spec)), PROVIDERS["cpu"]])
    make = _session_maker(spec, path, cores)
    reason: Exception | None = None
    for attempt in attempts:
        # The failure to load the CUDA libraries goes to the default log, as an error, before any session is.
        onnxruntime.set_default_logger_severity(_FATAL if len(attempts) > 1 else _WARNING)
        try:
            session = make(attempt)
        except Exception as error:  # ONNX Runtime has a class per kind of fault, none public
            reason = error
            continue
        finally:
            onnxruntime.set_default_logger_severity(_WARNING)
        live = session.get_providers()[0]
        if live != PROVIDERS["cuda"] and (require_gpu or "cpu" not in providers):
            raise GpuRequired(f"{spec.name}: a GPU is required, but the live provider is {live}")
        return session
    raise NetworkRejected(f"{spec.name}: {path} could not be loaded: {reason}") from reason


def _session_maker(
    spec: NetworkSpec, path: Path, cores: int
) -> Callable[[list[Any]], onnxruntime.InferenceSession]:
    def make(providers: list[Any]) -> onnxruntime.InferenceSession:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = cores if spec.threads == "cores" else spec.threads
        options.inter_op_num_threads = 1
        options.enable_cpu_mem_arena = True
        options.log_severity_level = _ERROR
        options.add_session_config_entry("session.intra_op.allow_spinning", "1" if spec.spinning else "0")
        # Without `enable_fallback=0` the binding prints a banner and hides the reason.
        return onnxruntime.InferenceSession(str(path), options, providers=providers, enable_fallback=0)

    return make


def _cuda_options(spec: NetworkSpec) -> dict[str, Any]:
    options: dict[str, Any] = {"device_id": 0, "arena_extend_strategy": "kSameAsRequested"}
    if spec.gpu_memory_mb is not None:
        options["gpu_mem_limit"] = spec.gpu_memory_mb * 2**20
    return options
