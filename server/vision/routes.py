"""/vision/v1: which networks there are, and what one of them says of some pictures."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from litestar import MediaType, Request, Response, Router, get, post
from litestar.openapi import ResponseSpec
from litestar.params import Parameter

from models.manifest import NetworkSpec
from server import auth
from server.disconnect import watch_disconnect
from server.envelopes import plain as envelope
from server.errors import AisleError
from server.middleware import deadline_of
from server.vision import answers, schema
from server.vision.pictures import Pictures
from server.vision.raw import RawEmbed

if TYPE_CHECKING:
    from litestar.types import ASGIApp

    from server.auth import Keys
    from server.deadline import Deadline
    from server.fetch import Fetcher
    from server.pipeline import Pipeline
    from server.settings import Settings

__all__ = ["PREFIX", "envelope", "router"]

T = TypeVar("T")
Http = Request[Any, Any, Any]

PREFIX = "/vision/v1"
DEFAULT_THRESHOLD = 0.25

Model = Annotated[
    str | None,
    Parameter(description="Name of a network, or what it is for; the default for the task if absent"),
]
Threshold = Annotated[float, Parameter(ge=0, le=1, description="Least score of a detection")]


def router(*, pipeline: Pipeline, keys: Keys, fetcher: Fetcher, settings: Settings) -> Router:
    """The routes below `PREFIX`."""
    pictures = Pictures(fetcher, settings.limits)

    async def admit(authorization: str | None, deadline: Deadline) -> None:
        if not settings.vision_open:
            await keys.require(auth.bearer(authorization), "vision", "read", deadline=deadline)

    def raw(app: ASGIApp) -> ASGIApp:
        return RawEmbed(app, pipeline=pipeline, admit=admit, max_bytes=settings.limits.query_bytes)

    @get("/models", summary="Networks and whether they are loaded")
    async def models(request: Http) -> Response[schema.Networks]:
        await admit(request.headers.get("authorization"), deadline_of(request))
        return _json(schema.Networks([_described(pipeline, spec) for spec in pipeline.manifest.networks]))

    @post(
        "/embed",
        status_code=200,
        summary="A vector of unit length per picture",
        description=f"`Accept: {answers.OCTETS}` gives the vectors as rows of float32, little-endian.",
        responses={200: ResponseSpec(schema.Embeddings)},
        middleware=[raw],
    )
    async def embed(request: Http, model: Model = None) -> Response[bytes]:
        deadline = deadline_of(request)
        await admit(request.headers.get("authorization"), deadline)
        spec = pipeline.network("embed", model)
        sent = await pictures.read(request, deadline)
        rows = await _each(request, sent, lambda good: pipeline.embed(good, spec.name, deadline))
        if _wants_octets(request):
            return Response(answers.octets(rows), media_type=answers.OCTETS)
        results = [answers.embedded(row) for row in rows]
        return _json(schema.Embeddings(model=spec.name, version=spec.version, results=results))

    @post(
        "/detect",
        status_code=200,
        summary="The objects in each picture",
        responses={200: ResponseSpec(schema.Detections)},
    )
    async def detect(
        request: Http, model: Model = None, threshold: Threshold = DEFAULT_THRESHOLD
    ) -> Response[bytes]:
        deadline = deadline_of(request)
        await admit(request.headers.get("authorization"), deadline)
        spec = pipeline.network("detect", model)
        sent = await pictures.read(request, deadline)
        found = await _each(request, sent, lambda good: pipeline.detect(good, spec.name, threshold, deadline))
        results = [answers.detected(objects) for objects in found]
        return _json(schema.Detections(model=spec.name, version=spec.version, results=results))

    return Router(PREFIX, route_handlers=[models, embed, detect], tags=["vision"])


async def _each(
    request: Http,
    sent: Sequence[bytes | AisleError],
    run: Callable[[Sequence[bytes]], Coroutine[Any, Any, Sequence[T | AisleError]]],
) -> list[T | AisleError]:
    """Runs the pictures that came, each answer in the place of its picture; stops when the client leaves."""
    good = [data for data in sent if isinstance(data, bytes)]
    found = iter(await watch_disconnect(request.receive, run(good)) if good else ())
    return [data if isinstance(data, AisleError) else next(found) for data in sent]


def _wants_octets(request: Http) -> bool:
    accept = request.headers.get("accept", "")
    # Most clients name one type, or none.
    if answers.OCTETS not in accept:
        return False
    return request.accept.best_match([answers.JSON, answers.OCTETS]) == answers.OCTETS


def _json(answer: object) -> Response[Any]:
    return Response(schema.encode(answer), media_type=MediaType.JSON)


def _described(pipeline: Pipeline, spec: NetworkSpec) -> schema.Network:
    serving = pipeline.servings.get(spec.name)
    wanted = spec.input
    return schema.Network(
        name=spec.name,
        version=spec.version,
        task=spec.task,
        input=None
        if wanted is None
        else schema.Input(size=wanted.size, geometry=wanted.geometry, dtype=wanted.dtype),
        provider=serving.network.provider if serving else None,
        loaded=serving is not None,
        dimension=spec.dimension,
        embedding_space=spec.embedding_space,
        labels=len(spec.labels),
    )
