"""Facts of an invented but plausible demo, for the tests of its report."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np

from neuromation.cli.report import (
    Auction,
    Bid,
    BillEntry,
    DatasetFacts,
    DemoFacts,
    FileFacts,
    Gain,
    JobBill,
    Loop,
    ModelFacts,
    NodeFacts,
    Samples,
    Score,
    Split,
    Step,
    TunedParameter,
    WrongAnswer,
)
from neuromation.kernel.money import Ntk, total

DIGITS = tuple("0123456789")
NODES = ("heron", "kestrel", "magpie", "wren")


def a_score(mistakes: int, *, spread: float = 0.008) -> Score:
    """A score on 1,000 pictures, 100 a class; every mistake takes a class for the next but one, or for 8."""
    counts = np.zeros((10, 10), dtype=int)
    np.fill_diagonal(counts, 100)
    for index in range(mistakes):
        true, taken = index * 3 % 10, (8 if index % 2 and index * 3 % 10 != 8 else (index * 3 + 2) % 10)
        counts[true, taken] += 1
        counts[true, true] -= 1
    accuracy = 1 - mistakes / 1000
    rows = tuple(tuple(int(n) for n in row) for row in counts)
    return Score(accuracy, (accuracy - spread, accuracy + spread), rows)


def some_samples(title: str, look: str, seed: int) -> Samples:
    """Thirty noisy pictures with the labels 0..9 in turn."""
    images = np.random.default_rng(seed).integers(0, 17, (30, 8, 8), dtype=np.uint8)
    return Samples(title, "invented", images, DIGITS * 3, look)  # type: ignore[arg-type]


def a_bill(job: str, *, held: str, works: tuple[str, ...], royalty: str = "") -> JobBill:
    """A bill that adds up: work and audits of nodes, a commission, a royalty, and the refund of the rest."""
    lines = [BillEntry(node, "work", amount, "8 tasks") for node, amount in zip(NODES, works, strict=False)]
    lines += [BillEntry(NODES[3], "audit", "0.004321")]
    lines += [BillEntry("platform", "commission", "0.011003")]
    lines += [BillEntry("digits vendor", "royalty", royalty)] if royalty else []
    rest = Ntk.parse(held) - total([Ntk.parse(line.amount) for line in lines])
    return JobBill(job, held, (*lines, BillEntry("customer", "refund", str(rest))))


def some_auctions() -> tuple[Auction, ...]:
    def bids(*offers: tuple[str, int]) -> tuple[Bid, ...]:
        return tuple(Bid(node, price, won) for node, (price, won) in zip(NODES, offers, strict=True))

    render = bids(("0.0105", 8), ("0.012", 6), ("0.0144", 2), ("0.0171", 0))
    train = bids(("0.021", 0), ("0.0165", 2), ("0.0182", 2), ("0.0248", 0))
    return (
        Auction("data set 1", "render", "0.0171", 12.0, render, "0.05", "(k+1)-price"),
        Auction("training 1", "train", "0.021", 31.0, train, "0.08", "(k+1)-price"),
        Auction("adaptation", "train", "0.021", 66.0, train, "0.08", "(k+1)-price"),
        Auction("data set 2", "render", "0.0171", 148.0, render, "0.05", "(k+1)-price"),
        Auction("training 2", "train", "0.021", 171.0, train, "0.08", "(k+1)-price"),
    )


def some_nodes() -> tuple[NodeFacts, ...]:
    return tuple(
        NodeFacts(name, f"0.{100 + 21 * i:05d}", f"0.{160 + 24 * i:05d}", 2.4 - 0.4 * i, 1.9 - 0.3 * i, 31 - 7 * i,
                  9 - i, 0, f"{0.41 - 0.09 * i:.6f}", "10")
        for i, name in enumerate(NODES)
    )  # fmt: skip


def some_steps() -> tuple[Step, ...]:
    return (
        Step("platform starts", "platform", 0.0, 4.1, "database, API, worker"),
        Step("nodes join", "platform", 4.1, 11.6, "4 benchmarked"),
        Step("data set 1", "generate", 11.6, 29.8, "6,000 units, 3 nodes"),
        Step("training 1", "train", 29.8, 62.5, "3 rounds, 2 nodes"),
        Step("evaluation 1", "evaluate", 62.5, 64.9, "real test split"),
        Step("adaptation", "loop", 64.9, 146.2, "16 trials"),
        Step("data set 2", "generate", 146.2, 169.0, "8,000 units, 3 nodes"),
        Step("training 2", "train", 169.0, 209.4, "3 rounds, 2 nodes"),
        Step("evaluation 2", "evaluate", 209.4, 212.0, "real test split"),
        Step("model delivered", "deliver", 212.0, 218.3, "safetensors, ONNX, card"),
    )


def demo_facts(**changes: Any) -> DemoFacts:
    """The facts of one run; every field can be replaced."""
    picture = np.random.default_rng(7).integers(0, 17, (8, 8), dtype=np.uint8)
    facts = DemoFacts(
        title="Handwritten digits, learned from synthetic ones",
        when=datetime(2026, 3, 4, 15, 30, tzinfo=UTC),
        version="0.1.0",
        seed=7,
        command="neuromation demo --seed 7",
        total_s=218.3,
        classes=DIGITS,
        real_name="the handwritten digits of scikit-learn",
        synthetic_units=14_000,
        steps=some_steps(),
        samples=(
            some_samples("Synthetic, as it began", "before", 1),
            some_samples("Synthetic, re-tuned", "after", 2),
            some_samples("Real", "real", 3),
        ),
        before=a_score(52, spread=0.013),
        after=a_score(27, spread=0.009),
        worst=tuple(WrongAnswer(picture, "9", "5", 0.97 - i / 50) for i in range(8)),
        loop=Loop(
            baseline=0.941,
            trials=(0.941, 0.902, 0.95, 0.87, 0.957, None, 0.944, 0.963, 0.958, 0.971, 0.966, 0.969),
            chosen=9,
            parameters=(
                TunedParameter("slant_deg", -30.0, 30.0, 5.0, 9.31),
                TunedParameter("pen_width", 0.04, 0.3, 0.12, 0.171),
                TunedParameter("noise", 0.0, 2.0, 0.5, 0.342),
                TunedParameter("variant_mix", 0.0, 1.0, 0.7, 0.884),
            ),
            note="12 trials.",
        ),
        auctions=some_auctions(),
        nodes=some_nodes(),
        bills=(
            a_bill("data set 1", held="1.5", works=("0.1368", "0.1026", "0.0342"), royalty="0.6"),
            a_bill("training 1", held="0.8", works=("0.084001", "0.084002")),
            a_bill("adaptation", held="2.25", works=("0.2201", "0.197"), royalty="0.32"),
            a_bill("data set 2", held="1.9", works=("0.1728", "0.1296", "0.0432"), royalty="0.8"),
            a_bill("training 2", held="0.8", works=("0.082", "0.082")),
        ),
        audits_done=41,
        audits_failed=0,
        ledger_balanced=True,
        datasets=(DatasetFacts("digits-1@1", 6_000, "3f" * 32, 12), DatasetFacts("digits-2@1", 8_000, "a7" * 32, 16)),
        model=ModelFacts(
            "digits-model@2", "digits-cnn", 28_938,
            (FileFacts("model.safetensors", 116_904, "5c" * 32), FileFacts("model.onnx", 121_377, "d1" * 32)),
            256, 3.8e-06, 256,
        ),
        splits=(
            Split("real-validation", 300, "tuning the generator"),
            Split("real-test", 1_000, "both evaluations, once each"),
        ),
        splits_rule="The splits are disjoint and fixed by the SHA-256 of each picture.",
        limits=("The author of the generator looked at the real set while designing the forms of the strokes.",
                "One set of 1,797 pictures from 43 writers is small."),
        gain=Gain(0.025, 0.014, 0.036, 34, 9),
        target=0.93,
        machine="2 cores",
    )  # fmt: skip
    return replace(facts, **changes)
