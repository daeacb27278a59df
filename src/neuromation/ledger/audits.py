"""Proves the books from the log alone: the rules, each a query that returns what breaks it.

All rules run as one statement, so they see one snapshot and the ledger stays in use meanwhile; each is set-based, one
or two passes over a table, so that millions of rows are sorted on disk, not held in memory.
"""

from __future__ import annotations

import sqlalchemy as sa

from neuromation.kernel.money import AMOUNT_MAX_MICRO
from neuromation.ledger.model import CUSTODY, Finding

FINDINGS_MAX = 100  # of each rule

_RULES = {
    # Double entry: of each row of the log exactly one debit and one credit entry, which cancel out.
    "transfer-unbalanced": """
        select coalesce(t.id, e.transfer)::text,
               format('%s entries summing to %s for %s of %s',
                      coalesce(e.count, 0), coalesce(e.sum, 0), t.operation, t.amount)
        from ledger_transfer t full join
             (select transfer, count(*), sum(amount), max(amount) as high,
                     min(account) as low_code, max(account) as high_code
              from ledger_entry group by transfer) e on e.transfer = t.id
        where t.id is null or e.transfer is null or e.count <> 2 or e.sum <> 0
           or e.high <> case when t.operation in ('transfer', 'post') then t.amount else 0 end
           or e.low_code <> least(t.debit, t.credit) or e.high_code <> greatest(t.debit, t.credit)
    """,
    "transfer-rewritten": """
        select t.key, 'the row is not the request that its hash was made of'
        from ledger_transfer t
        where t.hash <> ledger_request_hash(t.key, t.operation, t.debit, t.credit, t.amount, t.kind, t.ref, t.memo,
                                            t.hold, extract(epoch from t.expires - t.created)::bigint)
    """,
    "books-unbalanced": """
        select 'all accounts', format('posted sum to %s, pending to %s', posted, pending)
        from (select sum(credits_posted - debits_posted) as posted, sum(credits_pending - debits_pending) as pending
              from ledger_account) a
        where posted <> 0 or pending <> 0
    """,
    "over-supply": f"""
        select 'all accounts', format('%s micro-NTK are in circulation', total)
        from (select sum(credits_posted - debits_posted) as total from ledger_account where code <> '{CUSTODY}') a
        where total > {AMOUNT_MAX_MICRO}
    """,  # noqa: S608 - constants
    "overdrawn": f"""
        select code, format('owes %s, may owe %s', debits_posted + debits_pending - credits_posted, overdraft)
        from ledger_account
        where debits_posted + debits_pending - credits_posted > overdraft
           or overdraft > case when code = '{CUSTODY}' then {AMOUNT_MAX_MICRO} else 0 end
    """,  # noqa: S608 - constants
    # The accounts are a summary of the log: made again from it, they are equal.
    "balance-not-in-log": """
        select coalesce(a.code, l.code),
               format('account says %s/%s/%s/%s, log says %s/%s/%s/%s',
                      a.debits_pending, a.debits_posted, a.credits_pending, a.credits_posted,
                      l.debits_pending, l.debits_posted, l.credits_pending, l.credits_posted)
        from ledger_account a full join
             (select code, sum(pending_out) as debits_pending, sum(out) as debits_posted,
                     sum(pending_in) as credits_pending, sum("in") as credits_posted
              from (select t.debit, t.credit,
                           case when t.operation in ('transfer', 'post') then t.amount else 0 end as posted,
                           case when t.operation = 'hold' then t.amount else -coalesce(h.amount, 0) end as pending
                    from ledger_transfer t left join ledger_transfer h on h.id = t.hold) m,
                   lateral (values (debit, pending, posted, 0, 0), (credit, 0, 0, pending, posted))
                           s (code, pending_out, out, pending_in, "in")
              group by code) l on l.code = a.code
        where a.code is null
           or (a.debits_pending, a.debits_posted, a.credits_pending, a.credits_posted)
              <> (coalesce(l.debits_pending, 0), coalesce(l.debits_posted, 0),
                  coalesce(l.credits_pending, 0), coalesce(l.credits_posted, 0))
    """,
    # Versions count up by one, balances add up, and each entry's hash covers the one before.
    "entry-chain-broken": """
        select account || ' ' || version, 'the entry does not follow from the one before'
        from (select e.*, t.hash as request,
                     lag(e.version, 1, 0) over w as version_before, lag(e.balance, 1, 0) over w as balance_before,
                     lag(e.hash, 1, sha256(convert_to(e.account, 'UTF8'))) over w as hash_before
              from ledger_entry e left join ledger_transfer t on t.id = e.transfer
              window w as (partition by e.account order by e.version)) c
        where version <> version_before + 1 or balance <> balance_before + amount or request is null
           or hash <> ledger_entry_hash(hash_before, request, transfer, version, amount, balance, held, due)
    """,
    "account-not-its-last-entry": """
        select a.code, format('account is at version %s, its entries end at %s', a.version, coalesce(e.version, 0))
        from ledger_account a
        left join lateral
             (select * from ledger_entry e where e.account = a.code order by version desc limit 1) e on true
        where (a.version, a.hash, a.credits_posted - a.debits_posted, a.debits_pending, a.credits_pending)
              <> (coalesce(e.version, 0), coalesce(e.hash, sha256(convert_to(a.code, 'UTF8'))), coalesce(e.balance, 0),
                  coalesce(e.held, 0), coalesce(e.due, 0))
    """,
    "resolution-wrong": """
        select r.key, format('%s of %s for hold %s of %s',
                             r.operation, r.amount, coalesce(h.key, r.hold::text), coalesce(h.amount, 0))
        from ledger_transfer r left join ledger_transfer h on h.id = r.hold and h.operation = 'hold'
        where r.hold is not null
          and (h.id is null or r.id <= h.id or r.debit <> h.debit or r.credit <> h.credit or r.amount > h.amount
               or (r.operation <> 'post' and r.amount <> h.amount)
               or (r.operation = 'expire' and r.created < h.expires))
    """,
    "hold-orphaned": """
        select coalesce(h.key, o.key),
               case when o.hold is null then 'open in the log, not listed' else 'listed, not open in the log' end
        from (select t.id, t.key, t.expires from ledger_transfer t
              where t.operation = 'hold' and not exists (select from ledger_transfer r where r.hold = t.id)) h
        full join ledger_open_hold o on o.hold = h.id and o.key = h.key and o.expires = h.expires
        where o.hold is null or h.id is null
    """,
    "seal-broken": """
        select "position"::text, format('transfer %s does not follow from the seal before', transfer)
        from (select s.*, t.hash as request, t.created, lag(s."position", 1, 0) over w as position_before,
                     lag(s.hash, 1, sha256('ledger')) over w as hash_before
              from ledger_seal s left join ledger_transfer t on t.id = s.transfer
              window w as (order by s."position")) c
        where "position" <> position_before + 1 or request is null
           or hash <> ledger_seal_hash(hash_before, request, transfer, created)
    """,
    "seal-missing": """
        select t.key, 'older than the last sealed transfers, but not sealed'
        from ledger_transfer t
        where t.id <= (select settled from ledger_seal_state)
          and not exists (select from ledger_seal s where s.transfer = t.id)
    """,
}

RULES = tuple(_RULES)

_AUDIT = sa.text(
    " union all ".join(
        f"select '{rule}', r.* from (select * from ({query}) q limit {FINDINGS_MAX}) r (subject, detail)"  # noqa: S608 - constants
        for rule, query in _RULES.items()
    )
)


def findings(conn: sa.Connection) -> list[Finding]:
    """What breaks the rules, at most FINDINGS_MAX of each; empty when the books are right."""
    return [Finding(rule, subject, detail) for rule, subject, detail in conn.execute(_AUDIT)]
