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

# The length of a page is a number in the text, so that the planner knows how short the walk is; most requests
# ask for the same one.
PAGE = f"SELECT {COLUMNS} FROM product_insight WHERE {{where}} ORDER BY {{order}} LIMIT {{count:d}} {{skip}}"  # noqa: S608
# All that fits; open insights and those that are applied by themselves stand apart, for each kind has its indexes.
GATHERED = f"""
SELECT {COLUMNS} FROM (
    SELECT * FROM product_insight WHERE {{where}} AND is_open
    UNION ALL SELECT * FROM product_insight WHERE {{where}} AND automatic_processing AND annotation IS NULL
) AS hits ORDER BY {AT_RANDOM} LIMIT {{count:d}}
"""  # noqa: S608 - fragments of ours
# A sample: those with the most votes, and of the others a run of the random order `lot` from a random place on,
# around its end.
DRAWN = f"""
SELECT {COLUMNS} FROM (
    (SELECT * FROM product_insight WHERE {{where}} AND is_open AND n_votes > 0
     ORDER BY n_votes DESC, lot LIMIT {{sample:d}})
    UNION ALL
    (SELECT * FROM product_insight WHERE {{where}} AND is_open AND n_votes = 0 AND lot >= {{start}}::real
     ORDER BY lot LIMIT {{sample:d}})
    UNION ALL
    (SELECT * FROM product_insight WHERE {{where}} AND is_open AND n_votes = 0 AND lot < {{start}}::real
     ORDER BY lot LIMIT {{sample:d}})
    UNION ALL
    (SELECT * FROM product_insight WHERE {{where}} AND automatic_processing AND annotation IS NULL
     LIMIT {{sample:d}})
) AS sample ORDER BY {AT_RANDOM} LIMIT {{count:d}}
"""  # noqa: S608 - fragments of ours
# Everything in the order of insertion, from the first row after the one that was read last.
PORTION = f"SELECT {COLUMNS}, number FROM product_insight WHERE {{where}} ORDER BY number LIMIT {{count:d}}"  # noqa: S608
# Few are found by their filters in one statement, and read by their numbers.
NUMBERS = "SELECT number FROM product_insight WHERE {where} ORDER BY number"
NUMBERED = (
    f"SELECT {COLUMNS} FROM product_insight WHERE number = ANY($1::bigint[]) AND {{where}} ORDER BY number"  # noqa: S608
)
OF_PRODUCT = f"SELECT {COLUMNS} FROM product_insight WHERE {{where}} ORDER BY number"  # noqa: S608
ONE = f"SELECT {COLUMNS} FROM product_insight WHERE id = $1"  # noqa: S608
LAST_NUMBER = "SELECT coalesce(max(number), 0) FROM product_insight"
ANNOTATED_BY = "SELECT count(*) FROM product_insight WHERE username = $1"
