"""`python -m server demo`: serve with sample packs loaded, show one recognition and three lines to try."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from server.settings import Settings

SAMPLES = Path(__file__).parent / "samples"
PHOTO = SAMPLES / "photo-coffee.jpg"
COLLECTION = "Demo"
START_TIMEOUT_S = 180.0
REQUEST_TIMEOUT_S = 60.0


def main(settings: Settings, environment: Mapping[str, str]) -> int:
    """Runs until interrupted; the exit code of the server."""
    return asyncio.run(_run(settings, environment))


async def _run(settings: Settings, environment: Mapping[str, str]) -> int:
    if settings.port == 0:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            settings = msgspec.structs.replace(settings, port=probe.getsockname()[1])
    # What the demo prints must not drown in the access log.
    quiet = {"AISLE_LOG_LEVEL": "warning", **environment, "AISLE_PORT": str(settings.port)}
    server = await asyncio.create_subprocess_exec(sys.executable, "-m", "server", "serve", env=quiet)
    loop = asyncio.get_running_loop()
    # The server drains, and we leave when it has. A terminal sends Ctrl-C to both of us.
    loop.add_signal_handler(signal.SIGINT, lambda: None)
    loop.add_signal_handler(signal.SIGTERM, server.terminate)
    show = asyncio.create_task(_show(settings))
    ended = asyncio.create_task(server.wait())
    try:
        await asyncio.wait({show, ended}, return_when=asyncio.FIRST_COMPLETED)
        if show.done():
            show.result()
        else:
            show.cancel()
        return await ended
    finally:
        if server.returncode is None:
            server.terminate()
            await server.wait()


async def _show(settings: Settings) -> None:
    """Wait for the server, load the samples unless an earlier run did, recognise one photo, print."""
    host = "127.0.0.1" if settings.host in ("0.0.0.0", "::") else settings.host  # noqa: S104 - a comparison
    timeout = aiohttp.ClientTimeout(total=REQUEST_TIMEOUT_S)
    async with aiohttp.ClientSession(f"http://{host}:{settings.port}", timeout=timeout) as http:
        await _wait_ready(http)
        admin = settings.admin_key or (settings.data_dir / "keys" / "admin").read_text().strip()
        kept = settings.data_dir / "keys" / "demo.json"
        demo = await _kept(http, kept) or await _load(http, admin, kept)
        answer = await _search(http, demo["token"])
        print(f"\n{PHOTO.name} was recognised as:\n{json.dumps(answer, indent=2)}\n")
        for line in await _glances(http, demo["vision_key"]):
            print(line)
        shown = SAMPLES.relative_to(Path.cwd()) if SAMPLES.is_relative_to(Path.cwd()) else SAMPLES
        base = f"http://{host}:{settings.port}"
        print("\nTry:")
        print(
            f"  curl {base}/v1/search -F token={demo['token']} -F bboxes=true -F image=@{shown}/photo-two.jpg"
        )
        print(f"  curl '{base}/api/v0/item/?api_key={demo['key']}&limit=3'")
        print(
            f"  curl '{base}/vision/v1/embed' -H 'Authorization: Bearer {demo['vision_key']}' "
            f"-H 'Content-Type: image/jpeg' --data-binary @{shown}/photo-coffee.jpg"
        )
        print(f"\nServing on {base}; Ctrl-C stops.", flush=True)


async def _glances(http: aiohttp.ClientSession, key: str) -> list[str]:
    """What the networks say of the photo: its vector, and what is found on it, a line each."""
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "image/jpeg"}
    lines = []
    for task in ("embed", "detect"):
        async with http.post(f"/vision/v1/{task}", headers=headers, data=PHOTO.read_bytes()) as response:
            answer = await response.json()
        if response.status != 200:
            lines.append(f"{task}: {answer['error']['message']}")
        elif task == "embed":
            lines.append(f"{answer['model']} makes of it {len(answer['results'][0]['embedding'])} numbers")
        else:
            found = answer["results"][0]["detections"]
            boxes = "".join(f"; {one['label']} {one['score']:.2f} {one['bounding_box']}" for one in found[:3])
            lines.append(f"{answer['model']} finds {len(found)} things{boxes}")
    return lines


async def _wait_ready(http: aiohttp.ClientSession) -> None:
    async with asyncio.timeout(START_TIMEOUT_S):
        while True:
            try:
                async with http.get("/health/ready") as answer:
                    if answer.status == 200:
                        return
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.1)


async def _kept(http: aiohttp.ClientSession, path: Path) -> dict[str, str] | None:
    """The keys of an earlier run, if its collection is still there."""
    if not path.exists():
        return None
    demo: dict[str, str] = json.loads(path.read_text())
    async with http.post("/v1/timestamp", data={"token": demo["token"]}) as answer:
        return demo if answer.status == 200 else None


async def _load(http: aiohttp.ClientSession, admin: str, path: Path) -> dict[str, str]:
    """Make keys, a collection, and an item with one reference picture per sample pack."""
    search, vision = [await _key(http, admin, product) for product in ("search", "vision")]
    auth = {"api_key": search}
    collection = await _post(http, "/api/v0/collection/", params=auth, json={"name": COLLECTION})
    async with http.get("/api/v0/token/", params=auth | {"collection__uuid": collection["uuid"]}) as answer:
        token = (await answer.json())["objects"][0]["token"]
    for picture in sorted(SAMPLES.glob("*.jpg")):
        if picture.name.startswith("photo-"):
            continue
        name = picture.stem.replace("-", " ").capitalize()
        fields = {"collection": collection["resource_uri"], "name": name}
        item = await _post(http, "/api/v0/item/", params=auth, json=fields)
        form = aiohttp.FormData({"item": item["resource_uri"]})
        form.add_field("file", picture.read_bytes(), filename=picture.name, content_type="image/jpeg")
        image = await _post(http, "/api/v0/image/", params=auth, data=form)
        print(f"added {name}: status {image['status']}, quality {image['quality']}")
    demo = {"token": token, "key": search, "vision_key": vision}
    path.touch(mode=0o600)
    path.write_text(json.dumps(demo))
    return demo


async def _key(http: aiohttp.ClientSession, admin: str, product: str) -> str:
    wanted = {"product": product, "name": "demo", "scopes": ["read", "write"]}
    made = await _post(http, "/admin/v1/keys", headers={"Authorization": f"Bearer {admin}"}, json=wanted)
    return str(made["key"])


async def _post(http: aiohttp.ClientSession, path: str, **request: Any) -> Any:
    async with http.post(path, **request) as answer:
        if answer.status != 201:
            raise RuntimeError(f"POST {path} answered {answer.status}: {await answer.text()}")
        return await answer.json()


async def _search(http: aiohttp.ClientSession, token: str) -> Any:
    form = aiohttp.FormData({"token": token, "bboxes": "true"})
    form.add_field("image", PHOTO.read_bytes(), filename=PHOTO.name)
    async with http.post("/v1/search", data=form) as answer:
        return await answer.json()
