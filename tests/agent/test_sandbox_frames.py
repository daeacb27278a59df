"""The framing and the receiver: whole in, whole out; what a stranger sends breaks no more than its own answer."""

from __future__ import annotations

import json
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuromation.agent.sandbox import OutputTooLarge, ProtocolViolation
from neuromation.agent.sandbox.frames import FRAME_MAX, BadFrame, Decoder, Kind, encode
from neuromation.agent.sandbox.model import is_plain_name, printable
from neuromation.agent.sandbox.receiver import HandlerError, Receiver

FRAMES = st.lists(st.tuples(st.sampled_from(Kind), st.binary(max_size=200)), max_size=8)
JUNK = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20))


def a_receiver(out_mib: int = 1, **settings: Any) -> Receiver:
    return Receiver(out_mib=out_mib, progress_max=settings.pop("progress_max", 10), **settings)


def frame(kind: Kind, value: Any) -> bytes:
    return encode(kind, json.dumps(value).encode())


def a_file(name: str, data: bytes) -> bytes:
    chunks = encode(Kind.CHUNK, data) if data else b""
    return frame(Kind.FILE, {"name": name, "size": len(data)}) + chunks


@given(frames=FRAMES, cut=st.integers(min_value=1, max_value=64))
def test_decode_undoes_encode_however_the_stream_is_cut(frames: list[tuple[Kind, bytes]], cut: int) -> None:
    stream = b"".join(encode(kind, payload) for kind, payload in frames)
    decoder = Decoder()
    seen = [frame for i in range(0, len(stream), cut) for frame in decoder.feed(stream[i : i + cut])]
    assert seen == frames
    assert decoder.pending == 0


def test_a_huge_length_is_refused_before_its_payload_arrives() -> None:
    with pytest.raises(BadFrame, match="is no frame"):
        list(Decoder().feed(struct.pack(">BI", Kind.RESULT, FRAME_MAX + 1)))


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(BadFrame, match="kind 77"):
        list(Decoder().feed(struct.pack(">BI", 77, 0)))


@given(data=st.binary(max_size=400))
def test_random_bytes_give_a_typed_error_or_nothing(data: bytes) -> None:
    try:
        a_receiver().feed(data)
    except (ProtocolViolation, OutputTooLarge, HandlerError):
        return


@given(
    frames=st.lists(
        st.tuples(st.sampled_from(Kind), st.dictionaries(st.text(max_size=8), JUNK, max_size=4)), max_size=6
    )
)
def test_well_formed_nonsense_gives_a_typed_error_or_an_answer(frames: list[tuple[Kind, dict[str, Any]]]) -> None:
    try:
        a_receiver().feed(b"".join(frame(kind, value) for kind, value in frames))
    except (ProtocolViolation, OutputTooLarge, HandlerError):
        return


@given(
    files=st.dictionaries(st.from_regex(r"[a-z][a-z0-9._-]{0,9}", fullmatch=True), st.binary(max_size=300), max_size=4),
    cut=st.integers(min_value=1, max_value=100),
)
def test_files_arrive_as_they_were_sent(files: dict[str, bytes], cut: int) -> None:
    stream = b"".join(a_file(name, data) for name, data in files.items()) + frame(Kind.RESULT, {"n": 1})
    receiver = a_receiver()
    answers = [receiver.feed(stream[i : i + cut]) for i in range(0, len(stream), cut)]
    assert answers[:-1] == [None] * (len(answers) - 1)
    assert answers[-1] is not None
    assert answers[-1].outputs == files


BAD_NAMES = [
    "../x",
    "/etc/passwd",
    "a/b",
    "",
    ".",
    "..",
    ".hidden",
    "a\x00b",
    "a\nb",
    "-rf",
    "x" * 129,
    "\u202egnp.exe",
    7,
]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_name_that_is_no_plain_file_name_is_refused(name: object) -> None:
    assert not is_plain_name(name)
    with pytest.raises(ProtocolViolation, match="no plain file name"):
        a_receiver().feed(frame(Kind.FILE, {"name": name, "size": 1}))


LIES = {
    "a second file of one name": a_file("a", b"1") + a_file("a", b"2"),
    "more bytes than announced": frame(Kind.FILE, {"name": "a", "size": 1}) + encode(Kind.CHUNK, b"12"),
    "bytes of no file": encode(Kind.CHUNK, b"1"),
    "an empty chunk": frame(Kind.FILE, {"name": "a", "size": 1}) + encode(Kind.CHUNK, b""),
    "an answer inside a file": frame(Kind.FILE, {"name": "a", "size": 1}) + frame(Kind.RESULT, {}),
    "a negative size": frame(Kind.FILE, {"name": "a", "size": -1}),
    "a size that is true": frame(Kind.FILE, {"name": "a", "size": True}),
    "two answers": frame(Kind.RESULT, {}) + frame(Kind.RESULT, {}),
    "half a frame after the answer": frame(Kind.RESULT, {}) + b"\x01",
    "an answer that is a list": frame(Kind.RESULT, []),
    "an answer that is not JSON": encode(Kind.RESULT, b"\xff\xfe{"),
    "an answer with NaN": encode(Kind.RESULT, b'{"a": NaN}'),
    "an answer nested without end": encode(Kind.RESULT, b"[" * 200_000),
    "progress that is text": frame(Kind.PROGRESS, {"fraction": "1", "text": ""}),
    "progress without end": frame(Kind.PROGRESS, {"fraction": 0.1, "text": ""}) * 11,
    "an error without words": frame(Kind.ERROR, {"reason": "x"}),
    "a second greeting": frame(Kind.HELLO, {}),
}


@pytest.mark.parametrize("stream", LIES.values(), ids=LIES.keys())
def test_a_lie_in_the_protocol_is_a_violation(stream: bytes) -> None:
    with pytest.raises(ProtocolViolation):
        a_receiver().feed(stream)


def test_outputs_are_bounded_together_before_any_byte_is_kept() -> None:
    receiver = a_receiver(out_mib=1)
    receiver.feed(a_file("a", b"x" * 600_000))
    with pytest.raises(OutputTooLarge, match="over 1 MiB at b"):
        receiver.feed(frame(Kind.FILE, {"name": "b", "size": 600_000}))


def test_progress_is_clamped_and_made_printable() -> None:
    seen: list[tuple[float, str]] = []
    receiver = a_receiver(on_progress=lambda fraction, text: seen.append((fraction, text)))
    receiver.feed(frame(Kind.PROGRESS, {"fraction": 7, "text": "\x1b[2Jhalf"}))
    assert seen == [(1.0, "?[2Jhalf")]


def test_a_reason_that_is_no_reason_becomes_a_crash() -> None:
    with pytest.raises(HandlerError) as caught:
        a_receiver().feed(frame(Kind.ERROR, {"reason": "<script>", "message": "m"}))
    assert caught.value.reason == "task-crashed"


@given(text=st.text(max_size=50))
def test_printable_text_cannot_move_the_cursor_or_turn_the_line(text: str) -> None:
    assert not set(printable(text)) & set("\x1b\x07\x08\r\x9b\u202e\u2066")
