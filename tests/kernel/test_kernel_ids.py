"""Identifiers: well formed, typed, and in order of birth."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuromation.kernel.clock import FakeClock, SystemClock
from neuromation.kernel.errors import Invalid, NeuromationError, TooMany, Unauthenticated
from neuromation.kernel.ids import ID_PATTERN, check_id, new_id

PREFIX = st.from_regex(r"[a-z]{2,12}", fullmatch=True)
MOMENT = st.datetimes(datetime(1970, 1, 2), datetime(2999, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - bounds


@given(PREFIX, MOMENT)
def test_a_new_id_is_an_id_of_its_kind(prefix: str, now: datetime) -> None:
    text = new_id(prefix, now)
    assert check_id(text, prefix) == text and re.fullmatch(ID_PATTERN, text)


@given(MOMENT, st.integers(1, 10**9))
def test_a_later_id_sorts_later(now: datetime, later_ms: int) -> None:
    # One more millisecond, because a moment is rounded down to whole ones.
    assert new_id("job", now) < new_id("job", now + timedelta(milliseconds=later_ms + 1))


def test_ids_of_one_moment_differ(clock: FakeClock) -> None:
    assert len({new_id("job", clock.now()) for _ in range(1000)}) == 1000


@given(PREFIX, PREFIX, MOMENT)
def test_an_id_of_another_kind_is_refused(prefix: str, other: str, now: datetime) -> None:
    if prefix != other:
        with pytest.raises(Invalid, match=f"no {other} id"):
            check_id(new_id(prefix, now), other)


@given(st.text(max_size=60))
def test_any_other_text_is_refused(text: str) -> None:
    for wrong in (text, f"job_{text}", f"job_{'0' * 26}\n"):
        if not re.fullmatch(r"job_[0-9a-hjkmnp-tv-z]{26}", wrong, re.ASCII):
            with pytest.raises(Invalid) as caught:
                check_id(wrong, "job")
            assert caught.value.reason == "bad-id"


def test_a_fake_clock_moves_when_told_and_a_real_one_is_in_utc() -> None:
    clock = FakeClock()
    before = clock.now()
    assert clock.now() == before and clock.advance(1.5) == clock.now() == before + timedelta(seconds=1.5)
    assert SystemClock().now().utcoffset() == timedelta(0)


def test_an_error_carries_a_sentence_a_reason_and_details() -> None:
    error = TooMany("wait a little", retry_after_s=3)
    assert (error.message, error.reason, error.details) == ("wait a little", "too-many", {"retry_after_s": 3})
    assert Unauthenticated("who?", reason="no-token").reason == "no-token"
    assert issubclass(TooMany, NeuromationError)
