"""POST /api/v1/batch/import (contract 1.2.32)."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request, post
from litestar.di import NamedDependency as Given

from server import errors
from server.insights import faults
from server.insights.events import batch_files
from server.insights.events.batch_import import JOB_TYPES, BatchImport
from server.insights.events.batch_key import BatchKey
from server.insights.openapi import asking
from server.insights.parameters import Parameters

Asked = Request[Any, Any, Any]


class Accepted(msgspec.Struct, frozen=True):
    """The work is queued."""

    status: str


ACCEPTED = Accepted("Request successful. Importing processed data.")


@post(
    "/api/v1/batch/import",
    status_code=200,
    summary="Import the results of a batch job",
    operation_class=asking("job_type", "batch_dir", required=("job_type", "batch_dir")),
    security=[{"bearer": []}],
)
async def import_batch(
    request: Asked,
    parameters: Given[Parameters],
    batch_key: Given[BatchKey],
    batch_import: Given[BatchImport],
) -> Accepted:
    """Lines of JSON (`code`, `text`, `correction`, `lang`) in the files of that folder, as a job."""
    job_type = parameters.required("job_type")
    if job_type.replace("-", "_") not in JOB_TYPES:
        shown = [name.replace("_", "-") for name in JOB_TYPES]
        raise faults.bad_request(f"invalid job_type: {job_type}. Valid job_types are: {shown}")
    folder = parameters.required("batch_dir")
    try:
        batch_files.checked(folder)
    except errors.BadRequest as fault:
        raise faults.invalid("batch_dir", fault.message) from None
    batch_key.check(request)
    await batch_import.schedule(folder)
    return ACCEPTED


HANDLERS = [import_batch]
