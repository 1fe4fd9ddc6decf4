"""Tags described in words, as vectors in the space of an image encoder: classification without training.

The vectors are made once, when the text half of an encoder is pulled, and lie beside it.
"""

from __future__ import annotations

import hashlib
import importlib
import os
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from models import text_network
from models.installed import Installed
from models.manifest import Hub, Manifest, NetworkSpec

SENTENCES = Path(__file__).parent / "labels" / "prompts-moderation.toml"
# The tag that stands for none of the others.
NONE = "none"

_TOKENIZER = "tokenizer.json"


class PromptsMissing(RuntimeError):
    """There are no vectors of tags for this encoder; the message says how to get them."""


class Prompts(NamedTuple):
    """Tags (K) and their vectors (K, D) float32, unit norm; only for pictures embedded in `space`."""

    space: str
    tags: tuple[str, ...]
    vectors: NDArray[np.float32]


def sentences() -> dict[str, list[str]]:
    """What each tag looks like, in words; `NONE` among them."""
    with SENTENCES.open("rb") as stream:
        table = tomllib.load(stream)
    return {NONE: table["none"], **table["tags"]}


def can_describe(spec: NetworkSpec) -> bool:
    """Whether the network turns sentences into vectors that pictures are compared with."""
    return spec.task == "text" and spec.embedding_space is not None and isinstance(spec.source, Hub)


def keep(spec: NetworkSpec, installed: Installed, *, providers: Sequence[str] = ("cpu",)) -> Path:
    """Embeds the sentences with a pulled text encoder and writes the vectors beside it; gives their file.

    Nothing is done when they are there. Raises PromptsMissing without the tokenizer library, and what
    loading the network raises.
    """
    assert spec.embedding_space is not None
    target = _file(spec, installed)
    if _read(spec, installed) is not None:
        return target
    network = text_network.load(spec, installed, providers=providers)
    tokenizer = _tokenizer(installed.folder_of(spec) / _TOKENIZER, spec.max_tokens)
    described = sentences()
    vectors = np.stack([_mean(network, tokenizer, each) for each in described.values()])
    aside = target.with_suffix(".tmp")
    with aside.open("wb") as stream:
        np.savez(stream, tags=list(described), vectors=vectors, origin=_origin(spec, installed))
        stream.flush()
        os.fsync(stream.fileno())
    aside.replace(target)
    return target


def load(manifest: Manifest, installed: Installed, space: str) -> Prompts:
    """The vectors of the tags in the space of an image encoder; raises PromptsMissing."""
    able = [spec for spec in manifest.networks if can_describe(spec) and spec.embedding_space == space]
    if not able:
        raise PromptsMissing(f"no network of the manifest turns words into vectors of the space {space!r}")
    for spec in able:
        found = _read(spec, installed)
        if found is not None:
            return found
    raise PromptsMissing(
        f"tags have no vectors in {space!r} yet: python -m server models pull {able[0].name}"
    )


def _read(spec: NetworkSpec, installed: Installed) -> Prompts | None:
    """The stored vectors, or None when there are none of these sentences and this network."""
    try:
        with _file(spec, installed).open("rb") as stream, np.load(stream) as stored:
            tags, vectors, origin = stored["tags"], stored["vectors"], str(stored["origin"])
    except (OSError, ValueError, KeyError, BadZipFile):
        return None
    if origin != _origin(spec, installed) or vectors.shape != (len(tags), spec.dimension):
        return None
    return Prompts(str(spec.embedding_space), tuple(map(str, tags)), vectors.astype(np.float32))


def _file(spec: NetworkSpec, installed: Installed) -> Path:
    return installed.folder_of(spec) / f"{SENTENCES.stem}-{spec.embedding_space}.npz"


def _origin(spec: NetworkSpec, installed: Installed) -> str:
    """What the vectors were made from."""
    words = hashlib.sha256(SENTENCES.read_bytes()).hexdigest()
    return f"{installed.expected_sha256(spec)} {words}"


def _mean(network: text_network.TextNetwork, tokenizer: Any, texts: Sequence[str]) -> NDArray[np.float32]:
    """The direction (D,) that some sentences have in common."""
    encoded = tokenizer.encode_batch(list(texts))
    inputs = {
        "input_ids": np.array([each.ids for each in encoded], np.int64),
        "attention_mask": np.array([each.attention_mask for each in encoded], np.int64),
    }
    rows = network.run({name: inputs[name] for name in network.spec.inputs})
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    mean = unit.mean(axis=0)
    direction: NDArray[np.float32] = (mean / np.linalg.norm(mean)).astype(np.float32)
    return direction


def _tokenizer(path: Path, max_tokens: int | None) -> Any:
    try:
        library = importlib.import_module("tokenizers")
    except ImportError as error:
        raise PromptsMissing("words need the extra 'hub' (tokenizers): pip install '.[hub]'") from error
    try:
        tokenizer = library.Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises a bare Exception
        raise PromptsMissing(f"{path} is no tokenizer: {error}") from error
    if max_tokens is not None:
        tokenizer.enable_truncation(max_tokens)
    # CLIP reads its vector at the largest id, the end mark: padding must be smaller.
    tokenizer.enable_padding(pad_id=0)
    return tokenizer
