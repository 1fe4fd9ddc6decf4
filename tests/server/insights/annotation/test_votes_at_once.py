"""Many voters, several workers, one insight: one decision and right counts (contract 2.3)."""

import asyncio
import collections

from tests.server.insights import rows
from tests.server.insights.conftest import StartWorker
from tests.server.insights.worker import Worker

PATH = "/api/v1/insights/annotate"


async def vote(worker: Worker, fields: dict[str, str]) -> int:
    answer = await worker.http.post(PATH, data=fields)
    assert answer.status_code == 200
    code: int = answer.json()["status_code"]
    return code


async def test_200_votes_at_once_make_one_decision(start_worker: StartWorker) -> None:
    async with start_worker() as one, start_worker() as other:
        await rows.add_product(one.database)
        insight = await rows.add_insight(one.database)
        fields = {"insight_id": str(insight), "annotation": "1"}
        codes = collections.Counter(
            await asyncio.gather(
                *(vote((one, other)[n % 2], {**fields, "device_id": f"phone-{n}"}) for n in range(200))
            )
        )
        assert codes == {9: 2, 2: 1, 5: 197}
        row = await one.database.fetchrow(
            "SELECT annotation, n_votes, (SELECT count(*) FROM annotation_vote WHERE insight_id = i.id)"
            " FROM product_insight AS i WHERE id = $1",
            insight,
        )
        assert row is not None
        assert tuple(row) == (1, 3, 3)


async def test_mixed_votes_at_once_on_many_insights_are_all_counted(start_worker: StartWorker) -> None:
    async with start_worker() as one, start_worker() as other:
        await rows.add_product(one.database)
        insights = [
            await rows.add_insight(one.database, type="label", value_tag=f"en:label-{n}") for n in range(8)
        ]
        asked = [(insight, value) for value in (1, 0, -1, 1, 0, 1, -1, 0, 1, 1) for insight in insights]
        codes = await asyncio.gather(
            *(
                vote((one, other)[n % 2], {"insight_id": str(insight), "annotation": str(value)})
                for n, (insight, value) in enumerate(asked)
            )
        )
        assert set(codes) <= {1, 2, 5, 9}
        decided = [insight for (insight, _), code in zip(asked, codes, strict=True) if code in (1, 2)]
        assert sorted(decided) == sorted(insights)
        wrong = await one.database.fetch(
            "SELECT id FROM product_insight AS i"
            " WHERE n_votes <> (SELECT count(*) FROM annotation_vote WHERE insight_id = i.id AND value <> -1)"
            " OR annotation IS NULL"
        )
        assert wrong == []
