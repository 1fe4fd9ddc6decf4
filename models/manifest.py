"""What networks there are: `manifest.toml` read into frozen structs, with the reason when it cannot be."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any, Literal, get_args

import msgspec

Task = Literal["embed", "detect", "classify", "text"]
Geometry = Literal["center_crop", "letterbox", "stretch"]
Filter = Literal["bilinear", "bicubic"]

_HERE = Path(__file__).parent
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


class ManifestRejected(ValueError):
    """The manifest cannot be used; the message names the file, the network and the field."""


class Code(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="code"):
    """Written in Python in this package: nothing to install, nothing to hash."""


class Shipped(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="file"
):
    """A file beside the manifest; `path` is absolute once the manifest is read."""

    path: str


class Hub(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="hub"):
    """Files of a public repository that `models pull` fetches: the ONNX file, and what belongs beside it."""

    repository: str
    revision: str
    file: str
    # External weights, tokenizers, label lists: paths, or patterns of paths such as "onnx/*".
    others: tuple[str, ...] = ()


Source = Code | Shipped | Hub


class Input(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The picture a network takes: (N, 3, size, size) RGB, channels first.

    float32 networks take (pixel / 255 - mean) / std; uint8 networks take raw pixels and have that
    arithmetic as the first node of their graph, so mean and std only document it.
    """

    size: int
    geometry: Geometry
    # The same for an object cut out of a picture, where it differs: logos fill CLIP's square whatever their shape.
    object_geometry: Geometry | None = None
    # Which of several inputs takes the picture; None: the only one.
    name: str | None = None
    filter: Filter = "bilinear"
    # Grey level of what a letterbox leaves free.
    fill: int = 114
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    dtype: Literal["float32", "uint8"] = "float32"
    # On a GPU a float32 network gets uint8 pictures and has the arithmetic put into its graph (normalise.py).
    bytes_on_gpu: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.size <= 4096:
            raise ValueError(f"size must be from 1 to 4096, not {self.size}")
        if not 0 <= self.fill <= 255:
            raise ValueError(f"fill must be a grey level from 0 to 255, not {self.fill}")
        if any(not value > 0 for value in self.std):
            raise ValueError("std must be above 0 in every channel")

    def of_objects(self) -> Input:
        """How objects cut out of pictures are brought to the size."""
        return msgspec.structs.replace(self, geometry=self.object_geometry or self.geometry)


class Tensor(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A tensor of the graph: numbers are sizes, words are free ("N" rows of the batch, "T" tokens)."""

    shape: tuple[int | str, ...]
    dtype: Literal["float32", "int64", "string"] = "float32"


class NetworkSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One network, pinned: what it is, what it takes, what it gives, how it is run."""

    name: str
    version: str
    task: Task
    source: Source
    licence: str
    # Required for shipped files; for public ones the hash of the first download is recorded and kept to.
    sha256: str | None = None
    input: Input | None = None
    # Inputs that always get the same row, int64: what a graph asks for and its picture half never uses.
    constants: dict[str, tuple[int, ...]] = {}
    # All other inputs, by name: those of a network that reads tokens.
    inputs: dict[str, Tensor] = {}
    # The output to take, by name; None: the first of the graph.
    output: str | None = None
    # Its shape where the task does not say it (networks that do text).
    output_shape: tuple[int | str, ...] = ()
    # Tokens of one text at most.
    max_tokens: int | None = None
    labels: tuple[str, ...] = ()
    # Detections that overlap by more than this are one object, whatever their labels.
    same_object_iou: float = 0.7
    # Vectors of different spaces are never compared.
    embedding_space: str | None = None
    dimension: int | None = None
    # Sizes a batch is padded up to; the last one is the largest batch.
    batch_buckets: tuple[int, ...] = (1,)
    # The same on a GPU, where larger batches pay; empty: as on the CPU.
    gpu_batch_buckets: tuple[int, ...] = ()
    # Batches prepared and run at the same time on a CPU, and threads inside each run.
    concurrency: int | Literal["cores"] = "cores"
    threads: int | Literal["cores"] = 1
    # Threads that spin between runs answer sooner and take the cores from decoding.
    spinning: bool = False
    # How long the first item of a batch may wait for company; 0: never longer than the device is busy.
    delay_ms: float = 0.0
    gpu_memory_mb: int | None = None
    # The first numbers of the answer to the picture of `selfcheck.py`, on the machine that made the file.
    fingerprint: tuple[float, ...] = ()
    # Why this server cannot run it, if it cannot: the entry then only describes it.
    unsupported: str | None = None

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError("name must be lower-case letters, digits, '.', '_', '-'")
        if not _NAME.fullmatch(self.version):
            raise ValueError("version must be lower-case letters, digits, '.', '_', '-'")
        if self.sha256 is not None and not _SHA256.fullmatch(self.sha256):
            raise ValueError("sha256 must be 64 lower-case hexadecimal digits")
        if isinstance(self.source, Shipped) and self.sha256 is None:
            raise ValueError("a shipped file needs its sha256")
        if self.input is None and self.task != "text":
            raise ValueError(f"a network that does {self.task} needs an input table")
        if self.task == "embed" and (self.dimension is None or not self.embedding_space):
            raise ValueError("a network that embeds needs dimension and embedding_space")
        if self.task in ("detect", "classify") and not self.labels:
            raise ValueError(f"a network that does {self.task} needs labels")
        if not 0 < self.same_object_iou <= 1:
            raise ValueError("same_object_iou must be above 0 and at most 1")
        if self.dimension is not None and self.dimension < 1:
            raise ValueError("dimension must be at least 1")
        if self.delay_ms < 0:
            raise ValueError("delay_ms must not be negative")
        _check_buckets("batch_buckets", self.batch_buckets)
        if self.gpu_batch_buckets:
            _check_buckets("gpu_batch_buckets", self.gpu_batch_buckets)
        for field in ("concurrency", "threads"):
            value = getattr(self, field)
            if isinstance(value, int) and value < 1:
                raise ValueError(f"{field} must be at least 1 or 'cores'")


class Defaults(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Names per task in order of preference: the first that is installed is the one that serves."""

    embed: tuple[str, ...] = ()
    detect: tuple[str, ...] = ()
    classify: tuple[str, ...] = ()
    text: tuple[str, ...] = ()


class Manifest(msgspec.Struct, frozen=True):
    """All networks this server knows of; names are unique."""

    networks: tuple[NetworkSpec, ...]
    defaults: Defaults = Defaults()
    # What detectors and classifiers are for: names in order of preference, as in the defaults.
    purposes: dict[str, tuple[str, ...]] = {}

    def __post_init__(self) -> None:
        names = [spec.name for spec in self.networks]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"networks named twice: {', '.join(twice)}")
        for task in get_args(Task):
            for name in getattr(self.defaults, task):
                spec = self.find(name)
                if spec is None:
                    raise ValueError(f"the default for {task} names {name!r}, which is not in the manifest")
                if spec.task != task:
                    raise ValueError(f"the default for {task} names {name!r}, which does {spec.task}")
        for purpose, wanted in self.purposes.items():
            if purpose in names:
                raise ValueError(f"the purpose {purpose!r} has the name of a network")
            for name in wanted:
                if name not in names:
                    raise ValueError(f"the purpose {purpose!r} names {name!r}, which is not in the manifest")

    def find(self, name: str) -> NetworkSpec | None:
        """The network of that name, or None."""
        return next((spec for spec in self.networks if spec.name == name), None)

    def preferred(self, task: Task) -> tuple[NetworkSpec, ...]:
        """The default networks of a task, most wanted first."""
        return self._all(getattr(self.defaults, task))

    def suited(self, purpose: str) -> tuple[NetworkSpec, ...]:
        """The networks for a purpose, most wanted first; none for a purpose the manifest lacks."""
        return self._all(self.purposes.get(purpose, ()))

    def with_network(self, spec: NetworkSpec, *, default: bool = False) -> Manifest:
        """A manifest with this network added, or put in the place of its namesake; `default` prefers it."""
        others = tuple(other for other in self.networks if other.name != spec.name)
        defaults = self.defaults
        if default:
            names = tuple(name for name in getattr(defaults, spec.task) if name != spec.name)
            defaults = msgspec.structs.replace(defaults, **{spec.task: (spec.name, *names)})
        return Manifest(networks=(*others, spec), defaults=defaults, purposes=self.purposes)

    def _all(self, names: tuple[str, ...]) -> tuple[NetworkSpec, ...]:
        found = (self.find(name) for name in names)
        return tuple(spec for spec in found if spec is not None)


def load(extra: Path | None = None) -> Manifest:
    """The shipped manifest; networks, defaults and purposes of the file `extra` add to it or replace theirs.

    Paths in a manifest are relative to its own folder. Raises ManifestRejected.
    """
    manifest = _read(_HERE / "manifest.toml")
    if extra is None:
        return manifest
    return _read(extra, beneath=manifest)


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    networks: list[dict[str, Any]] = []
    defaults: Defaults = Defaults()
    purposes: dict[str, tuple[str, ...]] = {}


def _read(path: Path, beneath: Manifest | None = None) -> Manifest:
    try:
        with path.open("rb") as stream:
            file = msgspec.convert(tomllib.load(stream), type=_File)
        specs = [_spec(table, path.parent) for table in file.networks]
        names = {spec.name for spec in specs}
        older = [] if beneath is None else [spec for spec in beneath.networks if spec.name not in names]
        defaults = file.defaults if beneath is None else _merge(beneath.defaults, file.defaults)
        purposes = file.purposes if beneath is None else {**beneath.purposes, **file.purposes}
        return Manifest(networks=(*older, *specs), defaults=defaults, purposes=purposes)
    except (OSError, ValueError) as error:
        raise ManifestRejected(f"{path}: {error}") from error


def _spec(table: dict[str, Any], folder: Path) -> NetworkSpec:
    """One network from its TOML table; `labels_file` is read here, one label per line."""
    table = dict(table)
    try:
        labels_file = table.pop("labels_file", None)
        if labels_file is not None:
            table["labels"] = (folder / str(labels_file)).read_text("utf-8").split("\n")
            table["labels"] = [label.strip() for label in table["labels"] if label.strip()]
        spec = msgspec.convert(table, type=NetworkSpec)
    except (OSError, ValueError) as error:
        raise ValueError(f"network {table.get('name', '?')!r}: {error}") from error
    if isinstance(spec.source, Shipped):
        return msgspec.structs.replace(spec, source=Shipped(path=str((folder / spec.source.path).resolve())))
    return spec


def _merge(older: Defaults, newer: Defaults) -> Defaults:
    return Defaults(**{task: getattr(newer, task) or getattr(older, task) for task in get_args(Task)})


def _check_buckets(field: str, buckets: tuple[int, ...]) -> None:
    if not buckets or buckets[0] < 1 or list(buckets) != sorted(set(buckets)):
        raise ValueError(f"{field} must be sizes from 1 up, each larger than the one before")
