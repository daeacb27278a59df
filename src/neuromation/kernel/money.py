"""NTK, the only money: whole micro-NTK in int64, never a float."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import total_ordering

from neuromation.kernel.errors import Invalid

MICRO_PER_NTK = 1_000_000
SUPPLY_MAX_NTK = 100_000_000  # FACTS: minted once, never more
AMOUNT_MAX_MICRO = SUPPLY_MAX_NTK * MICRO_PER_NTK

_DECIMAL = re.compile(r"(-?)(\d{1,12})(?:\.(\d{1,6}))?", re.ASCII)


class NotMoney(Invalid):
    """A text or number that is no amount of NTK."""


@total_ordering
@dataclass(frozen=True, slots=True)
class Ntk:
    """An exact amount of NTK, counted in micro-NTK (10^-6), the same integer as on the chain (6 decimals)."""

    micro: int

    def __post_init__(self) -> None:
        if not isinstance(self.micro, int) or isinstance(self.micro, bool):
            raise NotMoney(f"an amount is a whole number of micro-NTK, not {self.micro!r}")
        if abs(self.micro) > AMOUNT_MAX_MICRO:
            raise NotMoney(f"{self.micro} micro-NTK is more than the whole supply of {SUPPLY_MAX_NTK:,} NTK")

    @classmethod
    def parse(cls, text: str) -> Ntk:
        """Read a decimal text such as "12.5"; at most 6 decimals, no exponent. Raises NotMoney."""
        match = _DECIMAL.fullmatch(text.strip())
        if match is None:
            raise NotMoney(f"{text[:40]!r} is no amount of NTK; write digits with at most 6 decimals, such as 12.5")
        sign, whole, fraction = match.groups()
        micro = int(whole) * MICRO_PER_NTK + int((fraction or "").ljust(6, "0"))
        return cls(-micro if sign else micro)

    def __str__(self) -> str:
        """Decimal text with no trailing zeros; `parse` reads it back exactly."""
        whole, fraction = divmod(abs(self.micro), MICRO_PER_NTK)
        text = f"{whole}.{fraction:06d}".rstrip("0").rstrip(".")
        return f"-{text}" if self.micro < 0 else text

    def __add__(self, other: Ntk) -> Ntk:
        return Ntk(self.micro + other.micro)

    def __sub__(self, other: Ntk) -> Ntk:
        return Ntk(self.micro - other.micro)

    def __mul__(self, count: int) -> Ntk:
        return Ntk(self.micro * count)

    __rmul__ = __mul__

    def __neg__(self) -> Ntk:
        return Ntk(-self.micro)

    def __lt__(self, other: Ntk) -> bool:
        return self.micro < other.micro

    def __bool__(self) -> bool:
        return self.micro != 0

    def split(self, weights: Sequence[int]) -> list[Ntk]:
        """Divide into parts proportional to `weights`, losing nothing: the only division of money.

        Args:
            weights: whole numbers >= 0 with a sum > 0.

        Returns:
            One part a weight. The parts sum to the amount exactly; the largest remainders get the spare micro-NTK,
            ties going to the earlier part (Hamilton's method).
        """
        total = sum(weights)
        if total <= 0 or any(w < 0 for w in weights):
            raise NotMoney(f"weights must be >= 0 with a sum > 0, not {list(weights)[:8]}")
        if self.micro < 0:
            return [-part for part in (-self).split(weights)]
        shares = [divmod(self.micro * w, total) for w in weights]
        spare = self.micro - sum(quotient for quotient, _ in shares)
        by_remainder = sorted(range(len(shares)), key=lambda i: (-shares[i][1], i))
        lucky = set(by_remainder[:spare])
        return [Ntk(quotient + (i in lucky)) for i, (quotient, _) in enumerate(shares)]

    def share(self, basis_points: int) -> Ntk:
        """The part of this amount that `basis_points` (1/10,000) name, rounded to the nearest micro-NTK."""
        return self.split([basis_points, 10_000 - basis_points])[0]


ZERO = Ntk(0)


def total(amounts: Sequence[Ntk]) -> Ntk:
    """The sum of `amounts`; zero when there are none."""
    return Ntk(sum(a.micro for a in amounts))
