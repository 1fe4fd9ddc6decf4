"""Logs: one JSON object per line, with the request's id, without surprises."""

import json
import logging
import sys

from server import logs
from server.logs import JsonFormatter


def record(message: str = "said %s", *values: object, **extra: object) -> logging.LogRecord:
    made = logging.LogRecord("here", logging.WARNING, "file.py", 1, message, values or ("x",), None)
    vars(made).update(extra)
    return made


def test_a_record_is_one_line_of_json() -> None:
    line = JsonFormatter().format(record("two\nlines %s", "x", size=3, path={"a": 1}))
    assert "\n" not in line
    shown = json.loads(line)
    assert shown["message"] == "two\nlines x" and shown["level"] == "warning" and shown["logger"] == "here"
    assert shown["size"] == 3 and shown["path"] == {"a": 1}
    assert "request_id" not in shown and shown["time"].endswith("+00:00")


def test_the_request_s_id_is_in_every_line() -> None:
    token = logs.request_id.set("r1")
    try:
        assert json.loads(JsonFormatter().format(record()))["request_id"] == "r1"
    finally:
        logs.request_id.reset(token)


def test_a_traceback_stays_on_the_line() -> None:
    try:
        raise ValueError("why")
    except ValueError:
        made = record()
        made.exc_info = sys.exc_info()
    shown = json.loads(JsonFormatter().format(made))
    assert "ValueError: why" in shown["traceback"]


def test_whatever_cannot_be_encoded_is_shown_as_text() -> None:
    assert json.loads(JsonFormatter().format(record(thing=object)))["thing"] == "<class 'object'>"
