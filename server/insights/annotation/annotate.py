"""Answers to insights: votes counted, decisions recorded and applied to products (contract 2.3).

Locks are always taken in this order: the product (an advisory lock), the insight's row, the product's row. A
vote takes the second alone.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

import asyncpg

from server.insights import queries_annotate
from server.insights.annotation import actions, payloads
from server.insights.annotation.nutrients import InvalidData
from server.insights.annotation.pictures import pictures_of
from server.insights.annotation.plans import Plan, Proposal
from server.insights.annotation.results import (
    ALREADY,
    CANNOT_VOTE,
    FAILED,
    NO_PRODUCT,
    SAVED,
    STORED,
    UNKNOWN,
    VOTED,
    Answer,
    invalid_data,
)
from server.insights.products.products import ImageUnknown, ProductWriteFailed

if TYPE_CHECKING:
    from server.db import Connection, Database
    from server.deadline import Deadline
    from server.insights.products.products import Product, Products
    from server.insights.voter import Credentials, Voter

logger = logging.getLogger(__name__)

YES, SKIP, YES_WITH_DATA = 1, -1, 2
# A yes to these is worth nothing without somebody who has looked at the details.
NOT_BY_VOTE = frozenset({"nutrient_extraction", "ingredient_detection"})
# Whoever waits for a slow product server holds a connection of the pool, and reading a product takes one more:
# these must not be all there are.
APPLYING_AT_ONCE = 3
# Votes have connections of their own, so that those for a busy insight hold up nothing else; a disk that is
# slow to confirm takes many at once.
VOTE_CONNECTIONS = 8
ATTEMPTS = 3
# Of what a request has left, so that undoing a decision that takes too long, and saying so, find time too.
SHARE = 5 / 6
# Less than the database's own patience, which would end the request instead.
DECISION_TIMEOUT_S = 25.0
REFRESH_TIMEOUT_S = 15.0
CLOSE_S = 5.0
DUE_AT_ONCE = 100
POSTPONED_S = 600.0

Refresh = Callable[[str, str], Awaitable[None]]


class Decision(NamedTuple):
    """What somebody, or everybody, says of an insight; `credentials` is None for nobody in particular."""

    annotation: int
    update: bool = True
    data: object = None
    credentials: Credentials | None = None
    # Set where the decision is what this vote makes of all votes.
    vote: Voter | None = None

    @property
    def may_write(self) -> bool:
        """Whether it can change the product; votes for a no can come to anything."""
        return self.update and (self.vote is not None or self.annotation in (YES, YES_WITH_DATA))

    @property
    def note(self) -> str:
        """Who decided, for the history of the product."""
        if self.vote is not None:
            return " (applied after 3 anonymous votes)"
        return "" if self.credentials else " (automated edit)"


class NotRecorded(Exception):
    """Everything of this decision is undone; the client gets the answer."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


class Annotator:
    """`refresh(server_type, barcode)` brings the product's other insights up to date after a decision.

    Votes that decide nothing go to `votes`, a pool of their own on the same database. Close it before the
    databases: refreshes may outlive the requests that began them.
    """

    def __init__(
        self,
        database: Database,
        products: Products,
        refresh: Refresh,
        *,
        votes: Database | None = None,
        one_vote_per_voter: bool = False,
    ) -> None:
        self._database = database
        self._votes = votes or database
        self._products = products
        self._refresh = refresh
        self._one_vote_per_voter = one_vote_per_voter
        self._applying = asyncio.Semaphore(APPLYING_AT_ONCE)
        self._refreshes: set[asyncio.Task[None]] = set()

    async def close(self) -> None:
        """Let the refreshes that are under way end; those that take longer are cut."""
        if self._refreshes:
            _, late = await asyncio.wait(self._refreshes, timeout=CLOSE_S)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def annotate(
        self,
        insight_id: UUID,
        annotation: int,
        update: bool,
        data: object,
        voter: Voter,
        deadline: Deadline | None = None,
    ) -> Answer:
        """The answer to an annotation of -1, 0, 1 or 2 (with data); its form is already checked."""
        if voter.credentials is not None and annotation != SKIP:
            decision = Decision(annotation, update, data, voter.credentials)
            return await self.decide(insight_id, decision, deadline)
        row = await self._votes.fetchrow(
            queries_annotate.CAST_VOTE, *self._vote(insight_id, annotation, voter), False
        )
        if row is None:
            return UNKNOWN
        if row["annotation"] is not None:
            return ALREADY
        if row["decision"] is None:
            return VOTED
        # Such a vote is not stored yet: it is, or is not, together with what it decides.
        decision = Decision(annotation, update, credentials=voter.credentials, vote=voter)
        return await self.decide(insight_id, decision, deadline)

    async def apply_due(self) -> int:
        """Accept automatic insights whose time has come, a bounded number; how many of them are decided now.

        One worker does so at a time. What fails waits for a while, so that it holds up nobody.
        """
        n_decided = 0
        async with self._database.transaction() as connection:
            if not await connection.fetchval(queries_annotate.TAKE_TURN):
                return 0
            for (insight_id,) in await connection.fetch(queries_annotate.DUE, DUE_AT_ONCE):
                n_decided += await self._is_applied(insight_id)
        return n_decided

    async def decide(self, insight_id: UUID, decision: Decision, deadline: Deadline | None = None) -> Answer:
        """Record and apply a decision, all of it or nothing, then refresh its product.

        What is not done in time is undone, and has failed; the deadline is that of the whole request.
        """
        for _ in range(ATTEMPTS):
            try:
                answer, proposal = await self._in_time(insight_id, decision, deadline)
            except NotRecorded as undone:
                return undone.answer
            except asyncpg.DeadlockDetectedError:
                # Somebody takes the locks in another order and has them now; we have let go of ours.
                logger.warning("deadlock", extra={"insight": str(insight_id)})
                continue
            if proposal is not None:
                await self._refresh_after(proposal, deadline)
            return answer
        return FAILED

    async def _in_time(
        self, insight_id: UUID, decision: Decision, deadline: Deadline | None
    ) -> tuple[Answer, Proposal | None]:
        """The decision as one transaction; `NotRecorded` when there was no time for it."""
        clock = asyncio.timeout(_patience_s(deadline, DECISION_TIMEOUT_S))
        try:
            async with clock, self._applying, self._database.transaction() as connection:
                found = await self._decided(connection, insight_id, decision)
                # Nobody could say what became of a commit that is broken off.
                clock.reschedule(None)
            return found
        except TimeoutError:
            if not clock.expired():
                raise
            logger.warning("decision took too long", extra={"insight": str(insight_id)})
            raise NotRecorded(FAILED) from None

    async def _decided(
        self, connection: Connection, insight_id: UUID, decision: Decision
    ) -> tuple[Answer, Proposal | None]:
        """The answer, and what was decided; None where nothing was."""
        if decision.may_write:
            await connection.execute(queries_annotate.LOCK_PRODUCT, insight_id)
        row = await connection.fetchrow(queries_annotate.LOCK_INSIGHT, insight_id)
        if row is None:
            return UNKNOWN, None
        *columns, annotation = row
        if annotation is not None:
            return ALREADY, None
        proposal = Proposal(*columns)
        if decision.vote is not None:
            vote = self._vote(insight_id, decision.annotation, decision.vote)
            decided = (await connection.fetchrow(queries_annotate.CAST_VOTE, *vote, True))["decision"]
            if decided is None:
                return VOTED, None
            if decided == YES and proposal.type in NOT_BY_VOTE:
                return CANNOT_VOTE, None
            decision = decision._replace(annotation=decided)
        return await self._applied(connection, proposal, decision), proposal

    async def _applied(self, connection: Connection, proposal: Proposal, decision: Decision) -> Answer:
        """The product is written last: what fails before is then undone everywhere."""
        try:
            plan, product = await self._planned(connection, proposal, decision)
            if plan.answer is FAILED:
                raise NotRecorded(FAILED)
            await self._record(connection, proposal, decision, plan)
            if product is None or not plan.edits:
                return plan.answer
            await self._products.write(
                connection,
                product,
                plan.edits,
                comment=f"[robotoff] {plan.action}, ID: {proposal.id}{decision.note}",
                credentials=decision.credentials,
            )
        except InvalidData as fault:
            raise NotRecorded(invalid_data(str(fault))) from None
        except ImageUnknown:
            if plan.without_image is FAILED:
                raise NotRecorded(FAILED) from None
            plan = Plan(plan.without_image)
            await self._record(connection, proposal, decision, plan)
        except ProductWriteFailed as fault:
            logger.warning("product not written", extra={"insight": str(proposal.id), "reason": str(fault)})
            raise NotRecorded(FAILED) from fault
        return plan.answer

    async def _planned(
        self, connection: Connection, proposal: Proposal, decision: Decision
    ) -> tuple[Plan, Product | None]:
        """What is to be done to which product; None where nothing is."""
        is_yes = decision.annotation in (YES, YES_WITH_DATA)
        payload = (
            payloads.parse(proposal.type, decision.data) if decision.annotation == YES_WITH_DATA else None
        )
        if not (is_yes and decision.update and actions.has_action(proposal.type)):
            return Plan(SAVED), None
        product = await self._products.get(proposal.server_type, proposal.barcode)
        if product is None:
            return Plan(NO_PRODUCT), None
        pictures = await pictures_of(connection, proposal, product)
        return actions.plan(proposal, product, payload, pictures), product

    async def _record(
        self, connection: Connection, proposal: Proposal, decision: Decision, plan: Plan
    ) -> None:
        username = None if decision.credentials is None else decision.credentials.username
        code = plan.answer.status_code
        result = code if code in STORED else None
        await connection.execute(queries_annotate.DECIDE, proposal.id, decision.annotation, username, result)
        if plan.value_tag is not None:
            await connection.execute(queries_annotate.KEEP_TAG, proposal.id, plan.data, plan.value_tag)
        elif plan.data is not None:
            await connection.execute(queries_annotate.KEEP_DATA, proposal.id, plan.data)

    async def _refresh_after(self, proposal: Proposal, deadline: Deadline | None) -> None:
        """Wait while there is time, so that the next question knows; then it goes on beside requests."""
        task = asyncio.create_task(self._refreshed(proposal), name="refresh after a decision")
        self._refreshes.add(task)
        task.add_done_callback(self._refreshes.discard)
        await asyncio.wait({task}, timeout=_patience_s(deadline, REFRESH_TIMEOUT_S))

    async def _refreshed(self, proposal: Proposal) -> None:
        """What was decided stands, whatever becomes of this."""
        try:
            async with asyncio.timeout(REFRESH_TIMEOUT_S):
                await self._refresh(proposal.server_type, proposal.barcode)
        except Exception:
            logger.exception("insights not refreshed", extra={"barcode": proposal.barcode})

    async def _is_applied(self, insight_id: UUID) -> bool:
        try:
            answer = await self.decide(insight_id, Decision(YES))
        except Exception:
            logger.exception("automatic insight not applied", extra={"insight": str(insight_id)})
            answer = FAILED
        is_decided = answer.status_code in STORED or answer is ALREADY
        if not is_decided:
            await self._database.execute(queries_annotate.POSTPONE, insight_id, POSTPONED_S)
        return is_decided

    def _vote(self, insight_id: UUID, value: int, voter: Voter) -> tuple[object, ...]:
        return insight_id, value, voter.username, voter.device_id, self._one_vote_per_voter


def _patience_s(deadline: Deadline | None, most_s: float) -> float:
    return most_s if deadline is None else min(most_s, deadline.remaining_s() * SHARE)
