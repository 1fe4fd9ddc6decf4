"""The SELECTs of insights; the columns stand in the order of `schema.Insight`, JSON as text."""

from __future__ import annotations

from server.insights.schema import Insight

JSON_COLUMNS = ("data", "bounding_box")
COLUMNS = ", ".join(
    f"{name}::text AS {name}" if name in JSON_COLUMNS else name for name in Insight.__struct_fields__
)

BY_NUMBER = "number"
BY_POPULARITY = "unique_scans_n DESC, id"
AT_RANDOM = "random() * (n_votes + 1) DESC"

PAGE = f"SELECT {COLUMNS} FROM product_insight WHERE {{where}} ORDER BY {{order}} LIMIT {{count}} OFFSET {{offset}}"  # noqa: S608 - fragments of ours
# Everything in the order of insertion, from the first row after the one that was read last.
PORTION = f"SELECT {COLUMNS}, number FROM product_insight WHERE {{where}} ORDER BY number LIMIT {{count}}"  # noqa: S608
OF_PRODUCT = f"SELECT {COLUMNS} FROM product_insight WHERE {{where}} ORDER BY number"  # noqa: S608
ONE = f"SELECT {COLUMNS} FROM product_insight WHERE id = $1"  # noqa: S608
LAST_NUMBER = "SELECT coalesce(max(number), 0) FROM product_insight"
ANNOTATED_BY = "SELECT count(*) FROM product_insight WHERE username = $1"
