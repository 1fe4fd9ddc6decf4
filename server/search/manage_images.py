"""Management of reference images: /api/v0/image/ (contract image-search, section 4.1)."""

from __future__ import annotations

from pathlib import PurePosixPath

from litestar import Response, delete, get, post, route
from litestar.di import NamedDependency as Given
from litestar.params import FromPath

from server.auth import Key
from server.forms import Form
from server.search import listing, manage, schema, views
from server.search.catalog import new_id
from server.search.collections import Collections
from server.search.inputs import MAX_NAME, REQUIRED, Body, Fields
from server.search.links import Links
from server.search.manage import Asked, Style
from server.search.pictures import Pictures
from server.search.upload import Examiner


@get("/api/v0/image", summary="List images")
async def list_images(
    request: Asked, key: Given[Key], pictures: Given[Pictures], style: Given[Style]
) -> Response[schema.Page[schema.Image]]:
    """A page of the tenant's images."""
    asked = manage.wanted(request, "image", listing.IMAGE)
    links = Links.of(request, style.public_url)
    return manage.page(asked, await pictures.listed(key.tenant, asked), lambda row: views.image(row, links))


@post("/api/v0/image", summary="Add a picture to an item")
async def create_image(
    request: Asked,
    key: Given[Key],
    payload: Given[Body],
    pictures: Given[Pictures],
    collections: Given[Collections],
    examiner: Given[Examiner],
    style: Given[Style],
) -> Response[schema.Image]:
    """Multipart `item`, `file`, `name?`; the answer carries the final status; it can be found at once."""
    sent = Sent(await payload.form())
    item = sent.fields.reference("item", required=True) or ""
    if sent.data is None:
        sent.fields.blame("file", REQUIRED)
    sent.fields.check()
    await pictures.item(key.tenant, item)
    checked = await examiner.examine(sent.data or b"", payload.deadline)
    row = await pictures.add(key.tenant, item, new_id(), sent.name or "image", checked)
    collections.nudge(row["collection"].hex)
    return manage.created(views.image(row, Links.of(request, style.public_url)))


@get("/api/v0/image/{uuid:str}", summary="Show an image")
async def get_image(
    uuid: FromPath[str], request: Asked, key: Given[Key], pictures: Given[Pictures], style: Given[Style]
) -> Response[schema.Image]:
    """One image."""
    row = await pictures.get(key.tenant, manage.identifier(uuid, "image"))
    return manage.shown(views.image(row, Links.of(request, style.public_url)))


@route("/api/v0/image/{uuid:str}", http_method=["PUT", "PATCH", "POST"], summary="Replace a picture")
async def update_image(
    uuid: FromPath[str],
    request: Asked,
    key: Given[Key],
    payload: Given[Body],
    pictures: Given[Pictures],
    collections: Given[Collections],
    examiner: Given[Examiner],
    style: Given[Style],
) -> Response[schema.Image]:
    """Multipart `file` takes the place of the picture, the uuid stays; `name` alone renames it."""
    image = manage.identifier(uuid, "image")
    row = await pictures.get(key.tenant, image)
    sent = Sent(await payload.form())
    sent.fields.unchanged("item", row["item"].hex)
    sent.fields.check()
    if sent.data is None:
        row = await pictures.rename(key.tenant, image, sent.name)
    else:
        checked = await examiner.examine(sent.data, payload.deadline)
        row = await pictures.replace(key.tenant, image, sent.name, checked)
        collections.nudge(row["collection"].hex)
    return manage.updated(views.image(row, Links.of(request, style.public_url)), request, payload, style)


@delete("/api/v0/image/{uuid:str}", summary="Delete an image")
async def delete_image(
    uuid: FromPath[str], key: Given[Key], pictures: Given[Pictures], collections: Given[Collections]
) -> None:
    """No search that starts after the answer finds it."""
    collections.nudge(await pictures.drop(key.tenant, manage.identifier(uuid, "image")))


class Sent:
    """The parts of an upload: `data` is None without a file, `name` is the field's or the file's."""

    def __init__(self, form: Form) -> None:
        # One published client calls the part "files".
        part = form.get("file", "files")
        self.data = part.data or None if part is not None else None
        self.fields = Fields.of_form(form, without=("file", "files"))
        filename = PurePosixPath((part.filename or "").replace("\\", "/")).name if part is not None else ""
        self.name = self.fields.name(required=False) or printable(filename)


def printable(filename: str) -> str | None:
    """A file name that can be stored and shown, or None."""
    return "".join(letter for letter in filename if letter.isprintable())[-MAX_NAME:] or None


HANDLERS = [list_images, create_image, get_image, update_image, delete_image]
