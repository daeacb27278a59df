"""Use cases of quotes: keep an offer, and find it again while it is open; the caller owns the transaction."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection

from neuromation.jobs import store
from neuromation.jobs.errors import NoSuchQuote, QuoteExpired
from neuromation.jobs.model import RESULT_BYTES_MAX, SPEC_BYTES_MAX, Json, Quote, json_of
from neuromation.kernel.ids import new_id


def create_quote(
    conn: Connection, *, customer: str, request: Json, answer: Json, expires_at: datetime, now: datetime
) -> Quote:
    """Keep what was offered to whom, until when."""
    body = {
        "request": json_of("a quote's request", request, SPEC_BYTES_MAX).decode(),
        "answer": json_of("a quote's answer", answer, RESULT_BYTES_MAX).decode(),
    }
    quote = Quote(new_id("qte", now), customer, request, answer, now, expires_at)
    values = {"id": quote.id, "customer": customer, "created_at": now, "expires_at": expires_at} | body
    conn.execute(store.INSERT_QUOTE, values)
    return quote


def get_quote(conn: Connection, quote_id: str, *, customer: str | None = None) -> Quote:
    """The quote, also an expired one; with `customer`, only that customer's. Raises NoSuchQuote."""
    quote = store.quote(conn, quote_id)
    if quote is None or customer not in (None, quote.customer):
        raise NoSuchQuote(quote_id)
    return quote


def usable_quote(conn: Connection, quote_id: str, *, customer: str, now: datetime) -> Quote:
    """The customer's quote, still open. Raises NoSuchQuote, QuoteExpired."""
    quote = get_quote(conn, quote_id, customer=customer)
    if quote.is_expired(now):
        raise QuoteExpired(quote_id)
    return quote
