"""The detector's output is what the server decodes."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs the extra `train`")

from kernels.boxes import yolo_decode  # noqa: E402
from models.train.yolo import Detector, YoloOutput, cells, corners  # noqa: E402

SIDE = 64


def test_a_picture_has_as_many_candidates_as_the_levels_have_cells() -> None:
    centres, strides = cells(640)
    assert centres.shape == (8400, 2) and strides.shape == (8400,)
    assert centres[0].tolist() == [4, 4] and centres[1].tolist() == [12, 4]
    assert centres[-1].tolist() == [624, 624] and strides[[0, 6400, 8000]].tolist() == [8, 16, 32]


def test_a_side_that_is_no_multiple_of_the_largest_stride_is_refused() -> None:
    with pytest.raises(ValueError, match="multiple of 32, not 100"):
        cells(100)


@pytest.mark.parametrize("classes", (1, 5))
def test_the_decoding_in_the_graph_agrees_with_the_servers(classes: int) -> None:
    torch.manual_seed(classes)
    network = Detector(classes).eval()
    for head in network.heads:
        torch.nn.init.normal_(head.score.weight)
        torch.nn.init.normal_(head.distance.weight)
    images = torch.rand(2, 3, SIDE, SIDE)
    with torch.no_grad():
        raw = network(images)
        output = YoloOutput(network, SIDE).eval()(images)
    count = len(cells(SIDE)[0])
    assert output.shape == (2, 4 + classes, count)
    wanted = corners(cells(SIDE)[0], raw.sides).numpy()
    for picture in range(2):
        boxes, scores, labels = yolo_decode(output[picture].numpy(), 0.0)
        np.testing.assert_allclose(boxes, wanted[picture], atol=1e-3)
        best, label = raw.logits[picture].sigmoid().max(dim=1)
        np.testing.assert_allclose(scores, best.numpy(), atol=1e-6)
        assert labels.tolist() == label.tolist()


def test_scores_are_shares_and_boxes_hold_their_cell() -> None:
    torch.manual_seed(0)
    with torch.no_grad():
        raw = Detector(3).eval()(torch.rand(1, 3, SIDE, SIDE))
    assert float(raw.sides.min()) >= 0
    # Untrained: every class is improbable everywhere.
    assert float(raw.logits.sigmoid().max()) < 0.1


def test_a_part_of_the_classes_is_scored_as_by_the_whole() -> None:
    torch.manual_seed(0)
    whole = Detector(5).eval()
    part = whole.keep_classes((3, 1)).eval()
    images = torch.rand(1, 3, SIDE, SIDE)
    with torch.no_grad():
        ours, theirs = part(images), whole(images)
    torch.testing.assert_close(ours.logits, theirs.logits[..., [3, 1]])
    torch.testing.assert_close(ours.sides, theirs.sides)
