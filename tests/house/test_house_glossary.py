"""Words: what the wire format and the stream of events say is explained where people look for it."""

from __future__ import annotations

import ast
import re
from typing import get_args

import pytest
from house_sources import calls, documents, sources

from neuromation.client import schemas as wire
from neuromation.jobs.model import JobKind, JobState, TaskKind, TaskState
from neuromation.learning.zoo import get_model
from neuromation.market.model import Mechanism
from neuromation.market.model import Status as AuctionStatus
from neuromation.nodes.model import NodeState
from neuromation.synthetic.generator import get_generator
from neuromation.workflows.verification import Verdict

NOUNS = """request quote bid award job task lease hold transfer unit shard order round replica segment trial reserve
escrow settlement commission royalty stake floor slot commit pool auction bill"""
GLOSSARY = documents()["docs/glossary.md"]


@pytest.mark.parametrize(
    "values",
    [
        [
            str(v)
            for kind in (JobKind, JobState, TaskKind, TaskState, NodeState, Verdict)
            for v in (m.value for m in kind)
        ],
        [*get_args(wire.Role), *get_args(wire.WorkKind), *get_args(Mechanism), *get_args(AuctionStatus)],
        list(wire.TaskCounts.model_fields),
    ],
    ids=["states", "words", "counts"],
)
def test_every_value_that_the_api_sends_is_explained(values: list[str]) -> None:
    explained = set(re.findall(r"`([^`]+)`", GLOSSARY))
    assert set(values) - explained == set()


def test_every_noun_of_the_house_is_defined() -> None:
    heads = " ".join(re.findall(r"\*\*([^*]+)\*\*", GLOSSARY)).lower()
    assert [noun for noun in NOUNS.split() if not re.search(rf"\b{noun}s?\b", heads)] == []


def test_every_type_of_event_is_documented_and_no_other() -> None:
    sent = {
        argument.value
        for source in sources()
        for name, call in calls(source.tree)
        if name == "emit" and len(call.args) > 2
        for argument in call.args[2:3]
        if isinstance(argument, ast.Constant)
    }
    table = documents()["docs/api.md"].split("## Events")[1].split("\n## ")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == sent


@pytest.mark.parametrize("name", ["docs/glossary.md", "docs/adr/0006-the-computing-unit.md"])
def test_the_computing_unit_is_what_the_code_says(name: str) -> None:
    text = " ".join(documents()[name].split())
    assert f"{round(1 / get_generator('digits').cu_per_unit):,} units of" in text
    assert f"{round(1 / get_model('digits-cnn').cu_per_sample):,} sample-steps of the network `digits-cnn`" in text
