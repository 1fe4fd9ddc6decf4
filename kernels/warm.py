"""Compiles every kernel before the first request needs it."""

from kernels import (
    bicubic,
    boxes,
    descriptors,
    features,
    filters,
    keypoints,
    matching,
    resize,
    scale_space,
    score,
)


def warm() -> None:
    """Run each kernel once on the array types the server uses: seconds at first, then from the disk cache."""
    filters.warm_up()
    resize.warm_up()
    bicubic.warm_up()
    boxes.warm_up()
    score.warm_up()
    scale_space.warm_up()
    keypoints.warm_up()
    descriptors.warm_up()
    features.warm_up()
    matching.warm_up()


if __name__ == "__main__":
    warm()
