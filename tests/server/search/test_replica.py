import threading

import numpy as np
import pytest

from server.search.replica import Replica
from tests.server.search.scenery import described, image, item, replica_of


def images_listed(replica: Replica, seed: int, items: list[str] | None = None) -> list[str]:
    numbers, votes = replica.vote(described(seed).features.descriptors, 10, items)
    assert len(numbers) == len(votes)
    return [entry.image_id for entry in replica.entries(numbers)]


def test_a_new_image_leads_its_own_shortlist_at_once() -> None:
    replica = replica_of([1, 2])
    replica.add_image(image(3), item(3), described(3))
    assert images_listed(replica, 3)[0] == image(3)
    assert len(replica) == 3
    assert image(3) in replica


def test_a_removed_image_is_gone_at_once() -> None:
    replica = replica_of([1, 2, 3])
    assert replica.remove_image(image(2))
    assert image(2) not in images_listed(replica, 2)
    assert image(2) not in replica
    assert not replica.remove_image(image(2))


def test_replacing_keeps_id_count_and_place_in_time() -> None:
    replica = replica_of([1, 2])
    replica.add_image(image(1), item(1), described(3))
    assert len(replica) == 2
    assert images_listed(replica, 3)[0] == image(1)
    entry = replica.of_items([item(1)])[0]
    assert entry.order == 0
    np.testing.assert_array_equal(entry.descriptors, described(3).features.descriptors)


def test_an_image_may_move_to_another_item() -> None:
    replica = replica_of([1, 2])
    replica.add_image(image(1), item(2), described(1))
    assert replica.of_items([item(1)]) == []
    assert {entry.image_id for entry in replica.of_items([item(2)])} == {image(1), image(2)}


def test_removing_an_item_takes_all_its_images() -> None:
    replica = replica_of([1, 2])
    replica.add_image(image(3), item(1), described(3))
    assert replica.remove_item(item(1)) == 2
    assert images_listed(replica, 1) in ([], [image(2)])
    assert replica.remove_item(item(1)) == 0


def test_only_allowed_and_visible_items_are_listed() -> None:
    replica = replica_of([1, 2, 3])
    assert set(images_listed(replica, 1, [item(2), item(3)])) <= {image(2), image(3)}
    assert images_listed(replica, 1, []) == []
    assert images_listed(replica, 1, ["unknown"]) == []
    replica.set_hidden([item(1)])
    assert image(1) not in images_listed(replica, 1)
    assert images_listed(replica, 1, [item(1)]) == []
    replica.set_hidden([])
    assert images_listed(replica, 1)[0] == image(1)


def test_several_pictures_are_added_all_or_none() -> None:
    replica = replica_of([1])
    broken = described(3)._replace(
        features=described(3).features._replace(descriptors=np.zeros((2, 7), np.uint8))
    )
    with pytest.raises(ValueError, match="descriptors"):
        replica.add_images([(image(2), item(2), described(2)), (image(1), item(1), broken)])
    assert images_listed(replica, 1) == [image(1)] and len(replica) == 1
    replica.add_images(
        [
            (image(2), item(2), described(2)),
            (image(1), item(1), described(3)),
            (image(2), item(4), described(4)),
        ]
    )
    assert len(replica) == 2
    assert images_listed(replica, 3)[0] == image(1) and images_listed(replica, 4)[0] == image(2)
    assert [entry.image_id for entry in replica.of_items([item(4), item(1)])] == [image(1), image(2)]
    assert replica.of_items([item(2)]) == []


def test_an_empty_replica_lists_nothing() -> None:
    assert images_listed(Replica(), 1) == []


def test_searches_run_beside_a_writer() -> None:
    replica = replica_of([1, 2])
    faults: list[BaseException] = []
    done = threading.Event()

    def write() -> None:
        try:
            for _ in range(15):
                replica.add_image(image(3), item(3), described(3))
                replica.remove_image(image(3))
        except BaseException as fault:
            faults.append(fault)
        finally:
            done.set()

    writer = threading.Thread(target=write)
    writer.start()
    rounds = 0
    while not done.is_set() or rounds == 0:
        assert images_listed(replica, 1)[0] == image(1)
        rounds += 1
    writer.join()
    assert not faults
    assert len(replica) == 2
