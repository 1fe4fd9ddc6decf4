"""Metrics: names, stages of a request, several processes added up."""

import os
import subprocess
import sys
from pathlib import Path

from server.metrics import Metrics, request_stages
from tests.server_process import ROOT

WORKER = """
import sys
from pathlib import Path
from server.metrics import Metrics
metrics = Metrics(Path(sys.argv[1]))
metrics.in_flight.inc(2)
metrics.requests.labels("/v1", "200").inc(3)
metrics.queue_depth("stub", 5)
if sys.argv[2] == "show":
    print(metrics.render().decode())
"""


def test_stages_of_a_request_add_up() -> None:
    metrics, stages = Metrics(), {}
    token = request_stages.set(stages)
    try:
        with metrics.stage("decode"):
            pass
        metrics.observe("decode", 1.0)
        metrics.observe("network", 2.0)
    finally:
        request_stages.reset(token)
    assert stages["decode"] > 1.0 and stages["network"] == 2.0
    assert b'aisle_stage_seconds_count{stage="decode"} 2.0' in metrics.render()


def test_a_stage_that_raises_is_timed_too() -> None:
    metrics = Metrics()
    try:
        with metrics.stage("decode"):
            raise ValueError
    except ValueError:
        pass
    assert b'aisle_stage_seconds_count{stage="decode"} 1.0' in metrics.render()


def test_every_metric_has_our_prefix_and_the_promised_ones_are_there() -> None:
    metrics = Metrics()
    metrics.observe_batch("stub", 3, 0.01, "full")
    metrics.queue_depth("stub", 4)
    metrics.rejected("too_small")
    text = metrics.render().decode()
    for line in (
        "aisle_requests_in_flight 0.0",
        'aisle_batch_size_sum{network="stub"} 3.0',
        'aisle_batch_wait_seconds_count{network="stub"} 1.0',
        'aisle_batches_total{network="stub",reason="full"} 1.0',
        'aisle_queue_depth{queue="stub"} 4.0',
        'aisle_images_rejected_total{reason="too_small"} 1.0',
        "aisle_event_loop_lag_seconds_count 0.0",
    ):
        assert line in text
    names = {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")}
    assert all(name.startswith(("aisle_", "process_")) for name in names)


def test_a_scrape_of_one_worker_shows_the_sum_of_all(tmp_path: Path) -> None:
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path), "PYTHONPATH": str(ROOT)}
    for mode in ("", "show"):
        done = subprocess.run(
            [sys.executable, "-c", WORKER, str(tmp_path), mode],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
    assert "aisle_requests_in_flight 4.0" in done.stdout
    assert 'aisle_requests_total{part="/v1",status="200"} 6.0' in done.stdout
    assert 'aisle_queue_depth{queue="stub"} 10.0' in done.stdout
