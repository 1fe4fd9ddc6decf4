"""Compiles every kernel before the first request needs it."""

from kernels import boxes, descriptors, features, keypoints, matching, resize, scale_space, score


def warm() -> None:
    """Run each kernel once on the array types the server uses: seconds at first, then from the disk cache."""
    resize.warm_up()
    boxes.warm_up()
    score.warm_up()
    scale_space.warm_up()
    keypoints.warm_up()
    descriptors.warm_up()
    features.warm_up()
    matching.warm_up()


if __name__ == "__main__":
    warm()
