"""Nodes that are killed in the middle of their work."""

from __future__ import annotations

from pathlib import Path

from rig import Rig, until


def test_a_node_killed_in_the_middle_of_a_shard_is_replaced_and_not_paid_for_it(tmp_path: Path) -> None:
    with Rig(tmp_path) as rig:
        rig.start_node("doomed", floor="0.5")
        rig.start_node("heir")
        rig.start_node("second-heir", floor="1.1")
        rig.await_nodes("doomed", "heir", "second-heir")
        job = rig.dataset("inherited", units=3000, shard_units=600)
        doomed = rig.nodes["doomed"]
        until("the doomed node to have work", lambda: doomed.messages("leased"), told=rig.story)
        delivered = len(doomed.messages("committed"))
        doomed.kill()

        ended = rig.ended(job)
        rig.check_dataset(ended, units=3000)
        rig.check_bill(ended)
        rig.check_books()
        assert ended.bill is not None
        lines = [line for line in ended.bill.lines if rig.ids["doomed"] in line.work and line.what == "work"]
        assert len(lines) <= delivered, f"the dead node was paid for what it never delivered: {lines}"
        assert rig.node("doomed").state == "dead"
