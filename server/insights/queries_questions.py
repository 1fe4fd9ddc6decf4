"""SQL of questions: pieces that `question_pages` puts together, none of them ever a client's text.

Lists are served in three ways. *Walked*: an index gives the rows in the order asked for, what does not fit is
passed over, and the walk ends when the page is full; right where much fits. *Gathered*: all that fits is
collected by whatever index finds it, then sorted; right where little fits. *Drawn*: see `DRAWN`.
"""

from __future__ import annotations

# A literal, not an argument, so that the planner knows how short the walk is.
WALKS = (50, 200, 1_000, 10_000, 100_000, 1_000_000)

POPULAR = "unique_scans_n DESC, id"
CONFIDENT = "confidence DESC NULLS LAST, id"
RANDOM = "random() * (n_votes + 1) DESC"

# What a question is made of, without another look at the product.
COLUMNS = """
i.id, i.barcode, i.server_type, i.type, i.value_tag, i.value, i.source_image,
CASE WHEN i.type IN ('packaging', 'image_orientation') THEN i.data::text END AS data,
CASE i.type WHEN 'category' THEN p.generic_image
            WHEN 'brand' THEN coalesce(p.front_image, i.source_image)
            ELSE i.source_image END AS image
"""
# Without a barcode there is no look-up, and most types need none.
WITH_PRODUCT = """
LEFT JOIN product AS p ON p.server_type = i.server_type AND p.barcode = CASE
    WHEN i.type = 'category' THEN i.barcode
    WHEN i.type = 'brand' AND i.predictor IN ('curated-list', 'taxonomy', 'whitelisted-brands') THEN i.barcode
END
"""

# Ordered and cut one by one, or they would all be read whole before they are merged.
BRANCH = "(SELECT * FROM product_insight WHERE {where} ORDER BY {order} LIMIT {walk})"
WALKED = """
SELECT w.*, row_number() OVER () AS place FROM (
    SELECT * FROM ({branches}) AS b ORDER BY {order} LIMIT {count} OFFSET {offset}
) AS w
"""
# The rows are wide, so only what is sorted by is collected.
GATHERED = """
SELECT r.*, g.place FROM (
    SELECT o.id, row_number() OVER () AS place FROM (
        WITH hits AS MATERIALIZED (
            SELECT id, unique_scans_n, confidence, n_votes FROM product_insight WHERE {where}
        )
        SELECT id FROM hits ORDER BY {order} LIMIT {count} OFFSET {offset}
    ) AS o
) AS g JOIN product_insight AS r ON r.id = g.id
"""
# A page behind the last row.
NO_ROWS = "SELECT b.*, NULL::bigint AS place FROM product_insight AS b WHERE false"
# Insights by falling numbers of votes; of those with as many votes a run of the random order `lot` from a
# random place on, around its end; no more than `sample` in all. The page is the first of them by the
# contract's own key, random() * (n_votes + 1).
DRAWN = """
SELECT s.*, row_number() OVER () AS place FROM (
    SELECT * FROM (
        WITH RECURSIVE class (votes) AS (
            SELECT max(n_votes) FROM product_insight WHERE server_type = {server_type} AND is_open
            UNION ALL
            SELECT (SELECT max(n_votes) FROM product_insight
                    WHERE server_type = {server_type} AND is_open AND n_votes < class.votes)
            FROM class WHERE class.votes IS NOT NULL
        )
        SELECT run.* FROM class, LATERAL (
            SELECT * FROM (
                (SELECT * FROM product_insight
                 WHERE {where} AND n_votes = class.votes AND lot >= {start} ORDER BY lot LIMIT {sample})
                UNION ALL
                (SELECT * FROM product_insight
                 WHERE {where} AND n_votes = class.votes AND lot < {start} ORDER BY lot LIMIT {sample})
            ) AS around LIMIT {sample}
        ) AS run
        LIMIT {sample}
    ) AS d ORDER BY {order} LIMIT {count}
) AS s
"""
# One row at least, so that the count is there when the page is empty. The snapshot names the state of the
# whole database that the statement sees.
PAGE = """
SELECT n.n, n.snapshot, n.has_voted, q.* FROM (
    SELECT ({counted}) AS n, pg_current_snapshot()::text AS snapshot, EXISTS ({voted}) AS has_voted
) AS n
LEFT JOIN (SELECT i.place, {columns} FROM ({rows}) AS i {with_product}) AS q ON true
ORDER BY q.place
"""
# One short look into an index for each voter, never at all their votes.
LOOK = """
SELECT pg_current_snapshot()::text AS snapshot,
       ARRAY(SELECT d FROM unnest($1::text[]) AS d
             WHERE EXISTS (SELECT FROM annotation_vote AS v WHERE v.device_id = d)) AS devices,
       ARRAY(SELECT u FROM unnest($2::text[]) AS u
             WHERE EXISTS (SELECT FROM annotation_vote AS v WHERE v.username = u)) AS users
"""
SIZES = "SELECT ({counted})::bigint AS fitting, ({passed})::bigint AS passed"

OF_PRODUCT = """
SELECT {columns} FROM product_insight AS i {with_product}
WHERE i.id = ANY(ARRAY(SELECT id FROM product_insight WHERE {where} ORDER BY n_votes DESC, id LIMIT {count}))
ORDER BY i.n_votes DESC, i.id
"""

UNANSWERED = """
WITH groups AS MATERIALIZED (
    SELECT value_tag, sum(n)::bigint AS n FROM (
        SELECT value_tag, n FROM insight_tally WHERE {where}
        UNION ALL
        SELECT value_tag, n FROM insight_tally_delta WHERE {where}
    ) AS t GROUP BY value_tag HAVING sum(n) > 0
), page AS (
    SELECT value_tag, n FROM groups ORDER BY n DESC, value_tag LIMIT {count} OFFSET {offset}
)
SELECT coalesce((SELECT sum(n) FROM groups), 0)::bigint AS n,
       coalesce((SELECT json_agg(json_build_array(value_tag, n) ORDER BY n DESC, value_tag) FROM page), '[]')::text
           AS rows
"""
# For filters that the tally does not count by.
GROUPED = """
WITH groups AS MATERIALIZED (
    SELECT value_tag, count(*) AS n FROM product_insight WHERE {where} GROUP BY value_tag
), page AS (
    SELECT value_tag, n FROM groups ORDER BY n DESC, value_tag LIMIT {count} OFFSET {offset}
)
SELECT coalesce((SELECT sum(n) FROM groups), 0)::bigint AS n,
       coalesce((SELECT json_agg(json_build_array(value_tag, n) ORDER BY n DESC, value_tag) FROM page), '[]')::text
           AS rows
"""
