"""Tags in words become vectors, once, beside the text encoder that made them."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest

from models import manifest, prompts
from models.installed import Installed, file_sha256
from models.manifest import Hub, NetworkSpec
from models.prompts import PromptsMissing
from tests.models import public_onnx

SPACE = "clip-vit-b-32"


def write_tokenizer(path: Path) -> None:
    """Words of the sentences, by number, between CLIP's two marks."""
    tokenizers = pytest.importorskip("tokenizers", reason="the extra 'hub' is not installed")
    words = sorted({word for each in prompts.sentences().values() for text in each for word in text.split()})
    vocabulary = {"<unk>": 1, "<start>": 2, "<end>": 3} | {word: 4 + n for n, word in enumerate(words)}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = tokenizers.processors.TemplateProcessing(
        single="<start> $A <end>", special_tokens=[("<start>", 2), ("<end>", 3)]
    )
    tokenizer.save(str(path))


def pulled(folder: Path) -> tuple[manifest.Manifest, NetworkSpec, Installed]:
    """The text encoder of the manifest as if pulled, with weights of our own."""
    spec = manifest.load().find("clip-vit-b-32-text")
    assert spec is not None and isinstance(spec.source, Hub)
    spec = msgspec.structs.replace(spec, sha256=None)
    installed = Installed(folder / "models")
    path = public_onnx.write(installed.folder_of(spec) / spec.source.file, spec)
    installed.keep(spec, spec.source, file_sha256(path), path.stat().st_size)
    return manifest.load().with_network(spec), spec, installed


def test_every_tag_gets_a_vector_of_its_own(tmp_path: Path) -> None:
    known, spec, installed = pulled(tmp_path)
    write_tokenizer(installed.folder_of(spec) / "tokenizer.json")
    file = prompts.keep(spec, installed)
    assert file.parent == installed.folder_of(spec) and SPACE in file.name
    found = prompts.load(known, installed, SPACE)
    assert found.space == SPACE and found.tags[0] == prompts.NONE
    assert set(found.tags) == set(prompts.sentences())
    assert found.vectors.shape == (len(found.tags), 512) and found.vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(found.vectors, axis=1), 1, atol=1e-5)
    likeness = found.vectors @ found.vectors.T - np.eye(len(found.tags))
    assert likeness.max() < 0.9999


def test_it_is_done_once_for_these_sentences_and_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known, spec, installed = pulled(tmp_path)
    write_tokenizer(installed.folder_of(spec) / "tokenizer.json")
    stamp = prompts.keep(spec, installed).stat().st_mtime_ns
    assert prompts.keep(spec, installed).stat().st_mtime_ns == stamp
    other = tmp_path / "prompts-moderation.toml"
    other.write_text('none = ["a photo"]\n[tags]\nx = ["a photo of a gun"]')
    monkeypatch.setattr(prompts, "SENTENCES", other)
    with pytest.raises(PromptsMissing):
        prompts.load(known, installed, SPACE)
    prompts.keep(spec, installed)
    assert prompts.load(known, installed, SPACE).tags == ("none", "x")


def test_without_vectors_the_way_to_them_is_told(tmp_path: Path) -> None:
    installed = Installed(tmp_path)
    with pytest.raises(PromptsMissing, match="models pull clip-vit-b-32-text"):
        prompts.load(manifest.load(), installed, SPACE)
    with pytest.raises(PromptsMissing, match="'stub-1'"):
        prompts.load(manifest.load(), installed, "stub-1")


def test_a_damaged_file_counts_as_none(tmp_path: Path) -> None:
    known, spec, installed = pulled(tmp_path)
    write_tokenizer(installed.folder_of(spec) / "tokenizer.json")
    file = prompts.keep(spec, installed)
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(PromptsMissing):
        prompts.load(known, installed, SPACE)


def test_a_file_that_is_no_tokenizer_is_told(tmp_path: Path) -> None:
    pytest.importorskip("tokenizers", reason="the extra 'hub' is not installed")
    _, spec, installed = pulled(tmp_path)
    (installed.folder_of(spec) / "tokenizer.json").write_text("{}")
    with pytest.raises(PromptsMissing, match="is no tokenizer"):
        prompts.keep(spec, installed)


def test_a_missing_library_says_which_extra_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    _, spec, installed = pulled(tmp_path)
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(PromptsMissing, match="extra 'hub'"):
        prompts.keep(spec, installed)


def test_only_text_encoders_describe_tags() -> None:
    able = [spec.name for spec in manifest.load().networks if prompts.can_describe(spec)]
    assert able == ["clip-vit-b-32-text"]
