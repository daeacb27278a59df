"""The demo's report: complete, self-contained, safe to open, and true to the micro-NTK."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from report_builders import DIGITS, a_bill, a_score, demo_facts, some_samples

from neuromation.cli.charts import round_ticks
from neuromation.cli.report import (
    REPORT_BYTES_MAX,
    BadFacts,
    BillEntry,
    JobBill,
    Loop,
    money,
    pick_samples,
    render_report,
    summarise,
    summary_picture,
    write_report,
)
from neuromation.kernel.money import Ntk, total

SECTIONS = ("chain", "samples", "accuracy", "loop", "market", "bill", "verification", "limits")
VOID = {"meta", "img", "br", "link", "input", "hr"}


class _Page(HTMLParser):
    """What a browser would load, and whether every tag is closed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open[-1] == tag, f"</{tag}> closes {self.open[-3:]}"
        self.open.pop()


@pytest.fixture(scope="module")
def page() -> str:
    return render_report(demo_facts())


def test_nothing_is_loaded_from_elsewhere_and_no_script_runs(page: str) -> None:
    loads = [v for _, a in _Page(page).tags for k, v in a.items() if k in ("src", "href", "srcset", "data", "action")]
    assert loads and all(v is not None and v.startswith("data:image/png;base64,") for v in loads)
    assert "url(" not in page and "@import" not in page and "<script" not in page.lower()
    assert not re.search(r"https?://", page)
    assert "default-src 'none'" in page


def test_every_tag_is_closed_and_every_id_is_used_once(page: str) -> None:
    parsed = _Page(page)
    ids = [a["id"] for _, a in parsed.tags if "id" in a]
    assert parsed.open == [] and len(ids) == len(set(ids))


@pytest.mark.parametrize("section", SECTIONS)
def test_every_section_is_there_under_its_heading(page: str, section: str) -> None:
    assert f'<section id="{section}" aria-labelledby="h-{section}">' in page
    assert f'<h2 id="h-{section}">' in page


def test_every_picture_and_chart_says_in_words_what_it_shows(page: str) -> None:
    tags = _Page(page).tags
    assert all(a.get("alt") for tag, a in tags if tag == "img")
    charts = [a for tag, a in tags if tag == "svg"]
    assert len(charts) >= 7 and all(a.get("role") == "img" and a.get("aria-label") for a in charts)


def test_the_headline_numbers_are_told(page: str) -> None:
    for words in (
        "94.80 %",
        "97.30 %",
        "93.50 – 96.10 %",
        "14,000",
        "1,000",
        "neuromation demo --seed 7",
        "+2.50",
        "balanced",
    ):
        assert words in page


def test_both_merkle_roots_and_every_file_hash_are_told(page: str) -> None:
    facts = demo_facts()
    for told in [d.merkle_root for d in facts.datasets] + [f.sha256 for f in facts.model.files]:
        assert told in page
    assert "neuromation dataset verify digits-1@1" in page


def test_a_hostile_name_stays_text() -> None:
    evil = '"><script>alert(1)</script><img src=x onerror=alert(1)>'
    facts = demo_facts()
    hostile = replace(
        facts,
        title=evil,
        command=evil,
        real_name=evil,
        machine=evil,
        splits_rule=evil,
        limits=(evil,),
        classes=(evil, *DIGITS[1:]),
        steps=(replace(facts.steps[0], name=evil, detail=evil),),
        nodes=(replace(facts.nodes[0], name=evil, state=evil),),
        auctions=(
            replace(facts.auctions[0], job=evil, kind=evil, bids=(replace(facts.auctions[0].bids[0], node=evil),)),
        ),
        bills=(JobBill(evil, "1", (BillEntry(evil, evil, "1"),)),),
        samples=(replace(facts.samples[0], title=evil, note=evil, labels=(evil,) * 30),),
        worst=(replace(facts.worst[0], label=evil, predicted=evil),),
        datasets=(replace(facts.datasets[0], ref=evil),),
    )
    page = render_report(hostile)
    parsed = _Page(page)
    assert "<script" not in page and "<img src=x" not in page
    assert not any(key.startswith("on") for _, attributes in parsed.tags for key in attributes)
    assert parsed.open == []


def test_equal_facts_give_equal_bytes(tmp_path: Path) -> None:
    write_report(demo_facts(), tmp_path / "a" / "one.html")
    write_report(demo_facts(), tmp_path / "two.html")
    one = (tmp_path / "a" / "one.html").read_bytes()
    assert one == (tmp_path / "two.html").read_bytes()
    assert len(one) < REPORT_BYTES_MAX
    assert summary_picture(demo_facts()) == summary_picture(demo_facts())


def test_the_bill_shown_adds_up_to_what_was_held() -> None:
    facts = demo_facts()
    bill = summarise(facts.bills)
    assert total([row.total for row in bill.rows]) == bill.held == bill.paid + bill.refunded == Ntk.parse("7.25")
    for column, held in enumerate(bill.held_each):
        assert total([row.amounts[column] for row in bill.rows]) == held
    page = render_report(facts)
    assert all(money(row.total) in page for row in bill.rows)


def test_a_bill_that_is_one_micro_ntk_short_is_refused(tmp_path: Path) -> None:
    good = a_bill("data set 1", held="1.5", works=("0.1",))
    short = replace(good, held="1.500001")
    with pytest.raises(BadFacts, match=r"adds up to 1\.5 NTK but 1\.500001 NTK were held"):
        write_report(demo_facts(bills=(short,)), tmp_path / "report.html")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(BadFacts):
        summary_picture(demo_facts(bills=(short,)))


def test_an_accuracy_that_is_not_its_matrix_is_refused() -> None:
    with pytest.raises(BadFacts, match="973 of 1000 are right"):
        render_report(demo_facts(after=replace(a_score(27), accuracy=0.99)))


def test_more_labels_than_pictures_are_refused() -> None:
    group = some_samples("Real", "real", 3)
    with pytest.raises(BadFacts, match="30 pictures and 29 labels"):
        render_report(demo_facts(samples=(replace(group, labels=group.labels[:-1]),)))


def test_a_bid_of_an_unknown_node_is_refused() -> None:
    with pytest.raises(BadFacts, match=r"bids came from \['wren'\]"):
        render_report(demo_facts(nodes=demo_facts().nodes[:3]))


def test_a_chosen_trial_that_never_ran_is_refused() -> None:
    with pytest.raises(BadFacts, match="trial 2 was chosen"):
        render_report(demo_facts(loop=Loop(0.9, (0.9, 0.91), 2, ())))


def test_a_loop_that_did_not_help_is_reported_as_such() -> None:
    page = render_report(demo_facts(before=a_score(27), after=a_score(30), gain=None))
    assert "did not help this time" in page and "-0.30" in page


def test_a_run_with_little_to_tell_still_renders() -> None:
    bare = demo_facts(
        steps=(), samples=(), worst=(), auctions=(), nodes=(), bills=(), datasets=(), splits=(), limits=(),
        loop=Loop(0.9, (), None, ()), gain=None, target=None, machine="", ledger_balanced=False,
    )  # fmt: skip
    assert "not balanced" in render_report(bare)
    assert summary_picture(bare).startswith(b"\x89PNG")


def test_the_summary_picture_is_a_png_of_modest_size() -> None:
    data = summary_picture(demo_facts())
    picture = Image.open(io.BytesIO(data))
    assert (picture.format, picture.size) == ("PNG", (1200, 630))
    assert len(data) < 200_000


def test_picked_samples_run_through_the_classes() -> None:
    labels = [1, 0, 1, 0, 2, 1]
    images = np.arange(6 * 4).reshape(6, 2, 2)
    picked = pick_samples(images, labels, ("a", "b", "c"), title="t", note="", look="real", rows=2)
    assert picked.labels == ("a", "b", "c", "a", "b")
    assert [int(i[0, 0]) // 4 for i in picked.images] == [1, 0, 4, 3, 2]


@given(st.integers(-(10**13), 10**13))
def test_shown_money_reads_back_exactly(micro: int) -> None:
    shown = money(Ntk(micro))
    assert Ntk.parse(shown.replace(",", "")) == Ntk(micro) and shown[-7] == "."


@given(st.lists(st.integers(1, 10**9), min_size=1, max_size=8), st.integers(0, 10**9))
def test_any_complete_bill_is_shown_whole(amounts: list[int], refund: int) -> None:
    lines = [BillEntry(f"node {i % 3}", "work", str(Ntk(a))) for i, a in enumerate(amounts)]
    held = Ntk(sum(amounts) + refund)
    bill = summarise([JobBill("job", str(held), (*lines, BillEntry("customer", "refund", str(Ntk(refund)))))])
    assert bill.paid == Ntk(sum(amounts)) and bill.refunded == Ntk(refund)


@given(st.floats(0, 1e6), st.floats(1e-6, 1e6), st.integers(2, 10))
def test_ticks_lie_inside_and_are_few(low: float, length: float, count: int) -> None:
    ticks = round_ticks(low, low + length, count=count)
    slack = 1e-6 * (low + length)
    assert len(ticks) <= count + 1
    assert all(low - slack <= tick <= low + length + slack for tick in ticks)
    assert ticks == sorted(ticks)
