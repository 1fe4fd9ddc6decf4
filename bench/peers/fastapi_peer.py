"""FastAPI on uvicorn (uvloop, httptools): a `def` endpoint, which FastAPI runs in its thread pool.

PEER_THREADS sets the width of that pool; PEER_PROCESSES starts several such servers on one socket.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

import anyio.to_thread
import uvicorn
from fastapi import Depends, FastAPI, Request, Response
from network import Network
from preprocess import chosen

prepare = chosen()


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    anyio.to_thread.current_default_thread_limiter().total_tokens = int(os.environ["PEER_THREADS"])
    app.state.network = Network()
    yield


async def raw_body(request: Request) -> bytes:
    return await request.body()


app = FastAPI(lifespan=lifespan)


@app.post("/embed")
def embed(request: Request, body: Annotated[bytes, Depends(raw_body)]) -> Response:
    row = request.app.state.network.run(prepare(body))[0]
    return Response(row.tobytes(), media_type="application/octet-stream")


@app.get("/health")
async def health() -> Response:
    return Response()


if __name__ == "__main__":
    uvicorn.run(
        "fastapi_peer:app",
        port=int(os.environ["PEER_PORT"]),
        workers=int(os.environ.get("PEER_PROCESSES", "1")),
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_level="warning",
    )
