from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs the extra `train`")

from models.train import data, encoder, evaluate  # noqa: E402

NEEDS_PHOTOS = pytest.mark.skipif(
    not (data.DATA / "grocery" / "labels.csv").exists(),
    reason="the shared photos are not beside the checkout",
)


@NEEDS_PHOTOS
@pytest.mark.timeout(600)
@pytest.mark.parametrize("of", ["photos", "logos"])
def test_a_minute_proves_the_recipe_and_the_export_repeats(
    of: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, checkpoint = tmp_path / "encoder.onnx", tmp_path / "encoder.pt"
    argv = ["--of", of, "--quick", "--out", str(out), "--checkpoint", str(checkpoint)]
    assert encoder.run(argv) == 0, capsys.readouterr().out
    vectors = evaluate.onnx_embedder(out)(data.grocery(data.DATA, ("reference",)).pixels[:4])
    assert vectors.shape == (4, 512)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-3)
    again = tmp_path / "again.onnx"
    argv = ["--of", of, "--export-only", "--quick", "--out", str(again), "--checkpoint", str(checkpoint)]
    assert encoder.run(argv) == 0
    assert again.read_bytes() == out.read_bytes()
