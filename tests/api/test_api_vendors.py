"""Vendors over HTTP: a generator becomes its author's, who names its price and earns it."""

from __future__ import annotations

from decimal import Decimal

import pytest

from api.api_builders import Caller, Json, Platform, an_order, done, problem
from neuromation.workflows.seeding import seed_generators, seed_vendor

UNITS = 24


@pytest.fixture(scope="module")
def vendor(platform: Platform) -> Caller:
    """The vendor of `digits`."""
    vendor = platform.somebody("vendor")
    given(platform, "digits", vendor)
    return vendor


def given(platform: Platform, generator: str, vendor: Caller) -> Json:
    body = {"email": vendor.email}
    answer = platform.somebody("operator").ask("PUT", f"/v1/admin/generators/{generator}/vendor", json=body)
    return done(answer)


def priced(vendor: Caller, generator: str, royalty: str) -> Json:
    return done(vendor.ask("PUT", f"/v1/generators/{generator}/royalty", json={"royalty_per_unit": royalty}))


def royalty_of(quote: Json) -> Decimal:
    return next(Decimal(line["amount"]) for line in quote["lines"] if line["what"] == "generator royalty")


def test_a_vendor_names_a_price_and_is_paid_it(platform: Platform, customer: Caller, vendor: Caller) -> None:
    assert priced(vendor, "digits", "0.0025")["royalty_per_unit"] == "0.0025"
    job, leases = platform.running(customer, an_order(units=UNITS))
    for node in platform.machines:
        for lease in leases.get(node.node, []):
            node.work(lease)
    job = platform.finish(customer, job["id"])
    assert job["state"] == "settled"
    royalties = [line for line in job["bill"]["lines"] if line["what"] == "royalty"]
    assert [line["amount"] for line in royalties] == ["0.06"]
    assert done(vendor.get("/v1/wallet"))["available"] == "0.06"


def test_what_is_quoted_keeps_its_price(platform: Platform, customer: Caller, vendor: Caller) -> None:
    platform.pool()
    priced(vendor, "digits", "0.001")
    quote = customer.quoted(an_order(units=UNITS))
    priced(vendor, "digits", "0.9")
    assert done(customer.post("/v1/jobs", {"quote": quote["id"]}), 202)["price_max"] == quote["price_max"]
    assert royalty_of(quote) == Decimal("0.024")
    assert royalty_of(customer.quoted(an_order(units=UNITS))) == Decimal("21.6")
    priced(vendor, "digits", "0")
    assert all(line["what"] != "generator royalty" for line in customer.quoted(an_order(units=UNITS))["lines"])


def test_a_platform_that_starts_again_leaves_a_generator_to_its_vendor(platform: Platform) -> None:
    vendor = platform.somebody("vendor")
    given(platform, "dice", vendor)
    before = priced(vendor, "dice", "0.125")
    with platform.world.transaction() as conn:
        seed_generators(platform.world, conn, seed_vendor(platform.world, conn, password="not used again"))
    assert done(vendor.get("/v1/generators/dice")) == before


def test_a_generator_is_its_vendors_alone(platform: Platform, vendor: Caller) -> None:
    other = platform.somebody("vendor")
    body = {"royalty_per_unit": "0.5"}
    problem(other.ask("PUT", "/v1/generators/digits/royalty", json=body), 403, "not-yours")
    given(platform, "digits", other)
    problem(vendor.ask("PUT", "/v1/generators/digits/royalty", json=body), 403, "not-yours")
    done(other.ask("PUT", "/v1/generators/digits/royalty", json=body))
    given(platform, "digits", vendor)


@pytest.mark.parametrize("amount", ["-1", "1e3", "0.0000001", "", "1000000000", 5, None])
def test_a_price_that_is_none_is_refused(vendor: Caller, amount: object) -> None:
    problem(vendor.ask("PUT", "/v1/generators/digits/royalty", json={"royalty_per_unit": amount}), 422)


def test_a_price_beyond_the_most_is_refused(vendor: Caller) -> None:
    body = {"royalty_per_unit": "1000001"}
    problem(vendor.ask("PUT", "/v1/generators/digits/royalty", json=body), 422, "bad-price")


def test_who_is_no_vendor_gets_no_generator(platform: Platform, customer: Caller, vendor: Caller) -> None:
    operator = platform.somebody("operator")
    address = "/v1/admin/generators/digits/vendor"
    problem(operator.ask("PUT", address, json={"email": customer.email}), 422, "not-a-vendor")
    problem(operator.ask("PUT", address, json={"email": "nobody@people.example"}), 404)
    problem(operator.ask("PUT", "/v1/admin/generators/nothing/vendor", json={"email": vendor.email}), 404)
