"""Which cells answer for which object: what must hold for any picture."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs the extra `train`")

from models.train import assign as assignment  # noqa: E402
from models.train.assign import CELLS_PER_OBJECT, assign, complete_iou, iou, loss  # noqa: E402
from models.train.yolo import Raw, cells, corners  # noqa: E402

SIDE = 96


def picture(seed: int, objects: int, classes: int = 3) -> tuple:
    """Random answers of all cells and random objects of at least 9 pixels."""
    rng = torch.Generator().manual_seed(seed)
    centres, strides = cells(SIDE)
    sides = torch.rand(len(centres), 4, generator=rng) * strides[:, None] * 4 + 0.1
    scores = torch.rand(len(centres), classes, generator=rng)
    start = torch.rand(objects, 2, generator=rng) * (SIDE - 30)
    truth = torch.cat([start, start + 9 + torch.rand(objects, 2, generator=rng) * 60], dim=1)
    labels = torch.randint(classes, (objects,), generator=rng)
    return scores, corners(centres, sides), centres, truth, labels


@pytest.mark.parametrize("seed", range(8))
def test_cells_answer_only_for_objects_around_their_centre(seed: int) -> None:
    scores, boxes, centres, truth, labels = picture(seed, 6)
    wanted = assign(scores, boxes, centres, truth, labels)
    for cell in (wanted.owner >= 0).nonzero()[:, 0]:
        x, y = centres[cell]
        x_min, y_min, x_max, y_max = truth[wanted.owner[cell]]
        assert x_min < x < x_max and y_min < y < y_max


@pytest.mark.parametrize("seed", range(8))
def test_an_object_has_at_most_so_many_cells_and_the_best_is_asked_for_its_own_overlap(seed: int) -> None:
    scores, boxes, centres, truth, labels = picture(seed, 6)
    wanted = assign(scores, boxes, centres, truth, labels)
    for number, target in enumerate(truth):
        own = (wanted.owner == number).nonzero()[:, 0]
        assert len(own) <= CELLS_PER_OBJECT
        if len(own):
            overlaps = iou(boxes[own], target)
            assert float(wanted.quality[own].max()) == pytest.approx(float(overlaps.max()), abs=1e-5)
    assert bool((wanted.quality[wanted.owner < 0] == 0).all())
    assert bool(((wanted.quality >= 0) & (wanted.quality <= 1)).all())


def test_a_lone_object_of_one_cell_gets_a_cell() -> None:
    scores, boxes, centres, _, _ = picture(0, 0)
    wanted = assign(scores, boxes, centres, torch.tensor([[40.0, 40.0, 48.0, 48.0]]), torch.tensor([0]))
    assert int((wanted.owner == 0).sum()) == 1


def test_a_picture_without_objects_wants_nothing() -> None:
    scores, boxes, centres, truth, labels = picture(1, 0)
    wanted = assign(scores, boxes, centres, truth, labels)
    assert bool((wanted.owner == -1).all()) and float(wanted.quality.sum()) == 0


def test_between_two_equal_boxes_the_higher_score_of_the_right_class_wins() -> None:
    centres, _ = cells(SIDE)
    target = torch.tensor([[8.0, 8.0, 88.0, 88.0]])
    boxes = target.expand(len(centres), 4)
    scores = torch.zeros(len(centres), 2)
    scores[:, 0] = torch.linspace(0.1, 0.9, len(centres))
    wanted = assign(scores, boxes, centres, target, torch.tensor([0]))
    is_inside = ((centres > 8) & (centres < 88)).all(dim=1)
    best = scores[:, 0].where(is_inside, torch.tensor(-1.0)).topk(CELLS_PER_OBJECT).indices
    assert set((wanted.owner == 0).nonzero()[:, 0].tolist()) == set(best.tolist())


def test_complete_iou_is_one_on_itself_and_falls_with_distance_and_shape() -> None:
    box = torch.tensor([[0.0, 0.0, 10.0, 10.0]])
    apart = torch.tensor([[0.0, 0, 10, 10], [2, 0, 12, 10], [12, 0, 22, 10], [40, 0, 50, 10]])
    values = complete_iou(apart, box.expand(4, 4)).tolist()
    assert values[0] == pytest.approx(1.0, abs=1e-6)
    assert all(first > second for first, second in pairwise(values))
    # Of two boxes with the same centre and overlap, the one of the other shape is worse.
    square, strip = torch.tensor([[-5.0, -5, 15, 15]]), torch.tensor([[-15.0, 0, 25, 10]])
    assert float(iou(box, square)) == float(iou(box, strip)) == 0.25
    assert float(complete_iou(box, square)) > float(complete_iou(box, strip))


def test_overlaps_agree_with_numpy() -> None:
    from models.train.average_precision import iou as reference

    rng = np.random.default_rng(0)
    start = rng.uniform(0, 50, (20, 2))
    boxes = np.concatenate([start, start + rng.uniform(1, 40, (20, 2))], axis=1).astype(np.float32)
    ours = iou(torch.from_numpy(boxes)[:, None], torch.from_numpy(boxes)[None]).numpy()
    np.testing.assert_allclose(ours, reference(boxes, boxes), atol=1e-6)


def test_the_loss_is_small_for_right_answers_and_ignores_unknown_classes() -> None:
    centres, _ = cells(SIDE)
    target = torch.tensor([20.0, 20.0, 70.0, 60.0])
    sides = torch.cat([centres - target[:2], target[2:] - centres], dim=1)
    is_inside = sides.amin(dim=1) > 0
    sides = sides.clamp(min=0.1)[None]
    logits = torch.full((1, len(centres), 2), -12.0)
    logits[0, is_inside, 0] = 12.0
    known = torch.tensor([[True, True]])
    truth, labels = [target[None]], [torch.tensor([0])]
    right = loss(Raw(logits, sides), centres, truth, labels, known)
    assert float(right.box) < 1e-4
    nobody = loss(
        Raw(logits, sides), centres, [torch.zeros(0, 4)], [torch.zeros(0, dtype=torch.int64)], known
    )
    assert float(nobody.score) > 100 and float(nobody.box) == 0
    logits[..., 1] = 12.0
    wrong = loss(Raw(logits, sides), centres, truth, labels, known)
    unknown = loss(Raw(logits, sides), centres, truth, labels, torch.tensor([[True, False]]))
    assert float(wrong.score) > 5 * float(unknown.score)
    assert float(unknown.total) == pytest.approx(
        float(unknown.score + assignment.BOX_WEIGHT * unknown.box), rel=1e-6
    )
