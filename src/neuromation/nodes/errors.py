"""What may go wrong with nodes."""

from __future__ import annotations

from neuromation.kernel.errors import Forbidden, Invalid, NotFound, TooLarge


class NoSuchNode(NotFound):
    def __init__(self, node_id: str) -> None:
        super().__init__(f"there is no node {node_id} of yours; join first, or list your nodes to see the ids")


class NodeBanned(Forbidden):
    def __init__(self, node_id: str, why: str) -> None:
        super().__init__(f"node {node_id} is banned ({why}); it takes no part any more, ask the operator to review it")


class BadNode(Invalid):
    """A fact, a benchmark or a floor of a node that is outside of its bounds."""


class TooManyNodes(TooLarge):
    def __init__(self, *, met: int, maximum: int) -> None:
        super().__init__(f"{met:,} nodes were given and at most {maximum:,} are taken; send fewer", maximum=maximum)
