"""What the generated description of the API says of parameters that the routes read by themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from litestar.openapi.spec import OpenAPIMediaType, Operation, Parameter, Reference, RequestBody, Schema
from litestar.openapi.spec.enums import OpenAPIType


class Described(NamedTuple):
    """One parameter; a list may be repeated or split at commas."""

    kind: OpenAPIType
    text: str
    is_list: bool = False
    choices: tuple[str, ...] = ()
    # Where two routes mean different things by it; else what it is listed under.
    name: str | None = None


FORM = "application/x-www-form-urlencoded"
BOOLEAN, INTEGER, NUMBER, STRING = (
    OpenAPIType.BOOLEAN,
    OpenAPIType.INTEGER,
    OpenAPIType.NUMBER,
    OpenAPIType.STRING,
)
PARAMETERS = {
    "action": Described(STRING, "What happened", choices=("updated", "deleted")),
    "annotated": Described(BOOLEAN, "Only annotated ones, or only others; both where absent"),
    "annotation": Described(INTEGER, "The exact annotation: 1, 0, -1 or 2"),
    "barcode": Described(STRING, "The product; leading zeros do not count"),
    "batch_dir": Described(STRING, "The folder with the results of a batch job"),
    "brands": Described(STRING, "Any of these brand tags, ten at most", is_list=True),
    "campaigns": Described(STRING, "All of these campaigns", is_list=True),
    "answer": Described(INTEGER, "1 yes, 0 no, -1 skip, 2 yes with data", name="annotation"),
    "count": Described(INTEGER, "Rows per answer, from 1"),
    "countries": Described(STRING, "Any of these countries, as two letters", is_list=True),
    "data": Described(STRING, "With 2: JSON text, whose form depends on the type of the insight"),
    "device_id": Described(STRING, "Who asks: what this device voted on is left out"),
    "image_id": Described(STRING, "The number of a raw image"),
    "insight_id": Described(STRING, "The insight, a UUID"),
    "image_url": Described(STRING, "The address of a raw image, which ends with its number"),
    "insight_types": Described(STRING, "Any of these types, ten at most", is_list=True),
    "job_type": Described(STRING, "The kind of batch job", choices=("ingredients_spellcheck",)),
    "lang": Described(STRING, "The language of texts and values, en where absent"),
    "lc": Described(STRING, "Any of these language codes", is_list=True),
    "min_confidence": Described(NUMBER, "The best object has at least this score"),
    "model_name": Described(STRING, "The network; hyphens and underscores are the same"),
    "model_version": Described(STRING, "The version of the network"),
    "ocr_url": Described(STRING, "The address of the text read from the image"),
    "order_by": Described(STRING, "Oldest first where absent", choices=("random", "popularity")),
    "page": Described(INTEGER, "From 1; 0 means 1"),
    "predictor": Described(STRING, "The exact predictor"),
    "question_order": Described(
        STRING,
        "Most scanned products first where absent",
        choices=("popularity", "confidence", "random"),
        name="order_by",
    ),
    "reserved_barcode": Described(BOOLEAN, "Also products whose barcode a shop has made"),
    "server_type": Described(
        STRING, "The project, off where absent", choices=("off", "obf", "opff", "opf", "off_pro")
    ),
    "type": Described(STRING, "The exact type"),
    "types": Described(STRING, "Any of these types, ten at most", is_list=True),
    "update": Described(BOOLEAN, "Also write to the product, which is so where absent"),
    "value_tag": Described(STRING, "The exact tag"),
    "with_image": Described(BOOLEAN, "Only insights that can be shown with an image, or only others"),
    "with_logo": Described(BOOLEAN, "Also detections with logos"),
}


def asking(*names: str, required: tuple[str, ...] = ()) -> type[Operation]:
    """The description of a route that reads these query parameters; costs nothing at run time."""
    parameters = [_parameter(name, name in required) for name in names]

    @dataclass
    class Asking(Operation):
        def __post_init__(self) -> None:
            self.parameters = [*(self.parameters or ()), *parameters]

    return Asking


def sending(*names: str, required: tuple[str, ...] = ()) -> type[Operation]:
    """The same for a route that reads them from a form."""
    fields: dict[str, Reference | Schema] = {
        PARAMETERS[name].name or name: _field(PARAMETERS[name]) for name in names
    }
    needed = [PARAMETERS[name].name or name for name in required]
    form = Schema(type=OpenAPIType.OBJECT, properties=fields, required=needed)

    @dataclass
    class Sending(Operation):
        def __post_init__(self) -> None:
            self.request_body = RequestBody(content={FORM: OpenAPIMediaType(schema=form)}, required=True)

    return Sending


def _parameter(name: str, required: bool) -> Parameter:
    described = PARAMETERS[name]
    schema = _schema(described)
    name = described.name or name
    return Parameter(name, "query", schema=schema, description=described.text, required=required)


def _field(described: Described) -> Schema:
    schema = _schema(described)
    schema.description = described.text
    return schema


def _schema(described: Described) -> Schema:
    schema = Schema(type=described.kind, enum=list(described.choices) or None)
    return Schema(type=OpenAPIType.ARRAY, items=schema) if described.is_list else schema
