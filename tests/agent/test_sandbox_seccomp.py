"""The system-call filter, executed here in Python for both machines, call by call."""

from __future__ import annotations

import errno
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuromation.agent.sandbox.seccomp import DENIED, LAST_KNOWN, MACHINES, Machine, program

ALLOW, KILL = "allow", "kill"
NEW_USER, THREAD = 0x10000000, 0x003D0F00
NAMES = list(MACHINES)


def verdict(code: bytes, *, arch: int, number: int, args: tuple[int, ...] = ()) -> str | int:
    """Run a classic BPF program over one struct seccomp_data: allow, kill, or the errno."""
    data = struct.pack("<IIQ6Q", number & 0xFFFFFFFF, arch, 0, *(args + (0,) * 6)[:6])
    steps = list(struct.iter_unpack("<HBBI", code))
    at, accumulator = 0, 0
    while True:
        op, yes, no, value = steps[at]
        at += 1
        if op == 0x20:
            (accumulator,) = struct.unpack_from("<I", data, value)
        elif op == 0x06:
            return {0x7FFF0000: ALLOW, 0x80000000: KILL}.get(value, value & 0xFFFF)
        else:
            test = {0x15: accumulator == value, 0x25: accumulator > value, 0x45: bool(accumulator & value)}[op]
            at += yes if test else no


def ask(name: str, number: int, *args: int) -> str | int:
    return verdict(program(name), arch=MACHINES[name].audit_arch, number=number, args=args)


@pytest.mark.parametrize("name", NAMES)
def test_every_denied_call_is_denied(name: str) -> None:
    column = MACHINES[name].column
    numbers = {call: row[column] for call, row in DENIED.items() if row[column] is not None}
    assert {call: ask(name, number or 0) for call, number in numbers.items()} == dict.fromkeys(numbers, errno.EPERM)


@pytest.mark.parametrize("name", NAMES)
def test_what_python_needs_is_allowed(name: str) -> None:
    # read, write, mmap, munmap, execve, exit_group, futex, getrandom, prlimit64, wait4
    needed = {
        "x86_64": (0, 1, 9, 11, 59, 231, 202, 318, 302, 61),
        "aarch64": (63, 64, 222, 215, 221, 94, 98, 278, 261, 260),
    }
    assert {ask(name, number) for number in needed[name]} == {ALLOW}


@pytest.mark.parametrize("name", NAMES)
def test_threads_may_start_and_namespaces_may_not(name: str) -> None:
    clone = MACHINES[name].clone
    assert ask(name, clone, THREAD) == ALLOW
    assert ask(name, clone, NEW_USER | 17) == errno.EPERM
    assert ask(name, MACHINES[name].clone3) == errno.ENOSYS


@pytest.mark.parametrize("name", NAMES)
@given(domain=st.integers(min_value=0, max_value=50))
def test_sockets_are_local_ones_only(name: str, domain: int) -> None:
    kind: Machine = MACHINES[name]
    expected = ALLOW if domain == 1 else errno.EAFNOSUPPORT
    assert ask(name, kind.socket, domain) == expected
    assert ask(name, kind.socketpair, domain) == expected


@pytest.mark.parametrize("name", NAMES)
def test_a_terminal_cannot_be_typed_into(name: str) -> None:
    ioctl = MACHINES[name].ioctl
    assert ask(name, ioctl, 0, 0x5412) == errno.EPERM
    # The kernel reads 32 bits of the request, so the high half must not hide it.
    assert ask(name, ioctl, 0, 0x5412 | 1 << 32) == errno.EPERM
    assert ask(name, ioctl, 0, 0x5401) == ALLOW


@pytest.mark.parametrize("name", NAMES)
@given(number=st.integers(min_value=LAST_KNOWN + 1, max_value=0xFFFFFFFF))
def test_calls_that_the_list_does_not_know_do_not_exist(name: str, number: int) -> None:
    assert ask(name, number) == errno.ENOSYS


@pytest.mark.parametrize("name", NAMES)
@given(number=st.integers(min_value=0, max_value=600), arch=st.sampled_from([0x40000003, 0x40000028, 0]))
def test_calls_of_another_architecture_kill(name: str, number: int, arch: int) -> None:
    assert verdict(program(name), arch=arch, number=number) == KILL
