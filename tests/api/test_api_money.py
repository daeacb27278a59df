"""Money over HTTP: decimal texts, never numbers; wallets, statements, stakes and bills that add up to the micro-NTK."""

from __future__ import annotations

import re
from decimal import Decimal

import pytest

from api.api_builders import Caller, Json, Platform, an_order, done, problem

AMOUNT = re.compile(r"-?[0-9]{1,9}(\.[0-9]{1,6})?")
MONEY = {
    "amount", "available", "balance", "earned", "escrow", "floor_render", "floor_train", "held", "in_circulation", "paid",
    "price_estimate", "price_max", "price_per_cu", "reserve_per_cu", "royalty_per_unit", "stake",
}  # fmt: skip


def amounts_of(body: object) -> list[object]:
    """Every value of a field that holds money, wherever it is in a body."""
    if isinstance(body, dict):
        here = [value for name, value in body.items() if name in MONEY and value is not None]
        rest = [value for name, value in body.items() if name != "parameters"]  # whose names are their authors'
        return here + [found for value in rest for found in amounts_of(value)]
    return [found for item in body for found in amounts_of(item)] if isinstance(body, list) else []


@pytest.fixture(scope="module")
def customer(platform: Platform) -> Caller:
    return platform.somebody("customer", balance="123.456789")


@pytest.fixture(scope="module")
def job(platform: Platform, customer: Caller) -> Json:
    """A data set that was made, delivered and paid."""
    platform.pool()
    order = customer.ordered(an_order())
    platform.turn()
    for node in platform.machines:
        node.bid_in_all()
    return platform.finish(customer, order["id"])


def wallet(caller: Caller) -> Json:
    return done(caller.get("/v1/wallet"))


def test_every_amount_is_a_decimal_text(platform: Platform, customer: Caller, job: Json) -> None:
    operator, owner = platform.somebody("operator"), platform.machines[0]
    bodies = [
        job,
        customer.quoted(an_order()),
        *(done(customer.get(p)) for p in ("/v1/wallet", "/v1/wallet/entries", "/v1/generators", "/v1/market/prices")),
        *(done(operator.get(p)) for p in ("/v1/nodes", "/v1/admin/audit", "/v1/jobs")),
        owner.poll(free_slots=0),
    ]
    for body in bodies[:-1]:
        assert amounts_of(body)
    for amount in (found for body in bodies for found in amounts_of(body)):
        assert isinstance(amount, str)
        assert AMOUNT.fullmatch(amount)


def test_what_an_order_holds_is_not_spent_twice_and_flows_back(platform: Platform) -> None:
    platform.pool()
    customer = platform.somebody("customer", balance="50")
    quote = customer.quoted(an_order())
    order = done(customer.post("/v1/jobs", {"quote": quote["id"]}), 202)
    after = wallet(customer)
    assert Decimal(after["held"]) == Decimal(quote["price_max"])
    assert Decimal(after["available"]) + Decimal(after["held"]) == 50
    done(customer.post(f"/v1/jobs/{order['id']}/cancel"))
    assert {k: wallet(customer)[k] for k in ("available", "held", "escrow")} == {
        "available": "50", "held": "0", "escrow": "0",
    }  # fmt: skip


def test_a_quote_adds_up(platform: Platform, customer: Caller) -> None:
    platform.pool()
    quote = customer.quoted(an_order(units=1000))
    assert sum(Decimal(line["amount"]) for line in quote["lines"]) == Decimal(quote["price_estimate"])
    assert Decimal(quote["price_estimate"]) <= Decimal(quote["price_max"])


def test_a_bill_adds_up_to_what_was_held(job: Json) -> None:
    bill = job["bill"]
    assert bill["balanced"] is True
    assert bill["held"] == job["price_max"]
    lines = [Decimal(line["amount"]) for line in bill["lines"]]
    assert sum(lines) == Decimal(bill["held"])
    refunds = [Decimal(line["amount"]) for line in bill["lines"] if "refund" in line["what"]]
    assert Decimal(bill["held"]) - sum(refunds) == Decimal(bill["paid"]) > 0


def test_a_statement_explains_the_balance(customer: Caller, job: Json) -> None:
    assert job["state"] == "settled"
    entries = done(customer.get("/v1/wallet/entries?limit=200"))["entries"]
    assert sum(Decimal(e["amount"]) for e in entries) == Decimal(wallet(customer)["available"])
    assert Decimal(entries[0]["balance"]) == Decimal(wallet(customer)["available"])
    newest = done(customer.get("/v1/wallet/entries?limit=1"))["entries"]
    assert newest == entries[:1]
    assert Decimal("123.456789") - Decimal(job["bill"]["paid"]) == Decimal(wallet(customer)["available"])


def test_a_stake_moves_from_the_owner_to_the_node_once(platform: Platform) -> None:
    owner = platform.somebody("provider", balance="10")
    node = platform.machine(owner=owner, stake="").node
    for _ in range(2):  # the amount is what is at stake then, so a repeat changes nothing
        assert done(owner.post(f"/v1/nodes/{node}/stake", {"amount": "2.5"}))["stake"] == "2.5"
    assert wallet(owner)["available"] == "7.5"
    assert done(owner.get(f"/v1/nodes/{node}"))["stake"] == "2.5"


def test_an_idle_node_gives_its_stake_back(platform: Platform) -> None:
    owner = platform.somebody("provider", balance="10")
    node = platform.machine(owner=owner, stake="2.5").node
    for amount, left in (("1", "9"), ("0", "10"), ("0", "10")):
        assert done(owner.post(f"/v1/nodes/{node}/stake", {"amount": amount}))["stake"] == amount
        assert wallet(owner)["available"] == left


def test_what_nodes_earn_is_on_their_bill_lines(platform: Platform, job: Json) -> None:
    nodes = done(platform.somebody("operator").get("/v1/nodes"))["nodes"]
    earned = sum(Decimal(node["earned"]) for node in nodes)
    billed = sum(Decimal(line["amount"]) for line in job["bill"]["lines"] if line["what"] in ("work", "audit"))
    assert earned == billed > 0


def test_the_books_balance_after_all_this(platform: Platform, job: Json) -> None:
    assert job["finished"]
    platform.turn()
    audit = done(platform.somebody("operator").get("/v1/admin/audit"))
    assert (audit["balanced"], audit["findings"]) == (True, [])
    assert Decimal(audit["in_circulation"]) > 0


def test_funding_with_a_key_credits_once(platform: Platform) -> None:
    operator, customer = platform.somebody("operator"), platform.somebody("customer")
    body, key = {"email": customer.email, "amount": "2"}, {"Idempotency-Key": "funding-0001"}
    assert [done(operator.post("/v1/admin/fund", body, headers=key))["available"] for _ in range(2)] == ["2", "2"]
    problem(operator.post("/v1/admin/fund", body | {"amount": "3"}, headers=key), 409, "key-reused")
    assert wallet(customer)["available"] == "2"


def test_funding_answers_with_the_new_wallet(platform: Platform) -> None:
    operator, customer = platform.somebody("operator"), platform.somebody("customer")
    answer = done(operator.post("/v1/admin/fund", {"email": customer.email, "amount": "0.000001"}))
    assert answer["available"] == "0.000001"
    assert answer == wallet(customer)
    problem(operator.post("/v1/admin/fund", {"email": customer.email, "amount": 0.5}), 422)
