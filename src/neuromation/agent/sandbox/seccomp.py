"""The system-call filter of the sandbox, as a classic BPF program; owns the list, refuses to know who loads it.

The filter is a deny-list with three doors shut besides: another architecture's calls kill the process (on x86-64 that
is the 32-bit table), calls newer than this list are unknown (ENOSYS, which also covers the x32 table, whose numbers
have bit 30 set), and the calls with dangerous arguments are looked into: clone may make no namespace, sockets are
local ones only, a terminal cannot be typed into. clone3 hides its flags behind a pointer, so it is "not implemented"
and libc falls back to clone. Layout of the program: linux/filter.h, of its input: struct seccomp_data in
linux/seccomp.h (native byte order, little on both machines).
"""

from __future__ import annotations

import errno
import platform
import struct
from typing import NamedTuple

_LOAD, _JUMP_EQ, _JUMP_GT, _JUMP_SET, _RETURN = 0x20, 0x15, 0x25, 0x45, 0x06
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_AT_NUMBER, _AT_ARCH, _AT_ARG0, _AT_ARG1 = 0, 4, 16, 24

# CLONE_NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET, and NEWNS.
_NAMESPACES = 0x7E020000
_AF_UNIX = 1
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C
# The newest call that both machines' tables held when this list was made (Linux 5.17, set_mempolicy_home_node).
LAST_KNOWN = 450

# name: (number on x86-64, number on aarch64); None where the machine has no such call.
DENIED: dict[str, tuple[int, int | None]] = {
    # File systems and roots.
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "fanotify_init": (300, 262),
    "fanotify_mark": (301, 263),
    "lookup_dcookie": (212, 18),
    "nfsservctl": (180, 42),
    "sysfs": (139, None),
    "ustat": (136, None),
    "uselib": (134, None),
    "_sysctl": (156, None),
    # Namespaces and other processes.
    "unshare": (272, 97),
    "setns": (308, 268),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "process_madvise": (440, 440),
    "process_mrelease": (448, 448),
    "pidfd_getfd": (438, 438),
    "kcmp": (312, 272),
    "personality": (135, 92),
    # Large doors into the kernel.
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "memfd_secret": (447, 447),
    "vmsplice": (278, 75),
    "remap_file_pages": (216, 234),
    "modify_ldt": (154, None),
    # The machine itself.
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "create_module": (174, None),
    "get_kernel_syms": (177, None),
    "query_module": (178, None),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "reboot": (169, 142),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "syslog": (103, 116),
    "acct": (163, 89),
    "vhangup": (153, 58),
    "iopl": (172, None),
    "ioperm": (173, None),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "clock_adjtime": (305, 266),
    "adjtimex": (159, 171),
    # Where memory lies on the host.
    "mbind": (237, 235),
    "set_mempolicy": (238, 237),
    "get_mempolicy": (239, 236),
    "migrate_pages": (256, 238),
    "move_pages": (279, 239),
    "set_mempolicy_home_node": (450, 450),
}


class Machine(NamedTuple):
    """What the filter must know of one kind of processor: its audit number and the calls whose arguments it reads."""

    column: int
    audit_arch: int
    clone: int
    clone3: int
    ioctl: int
    socket: int
    socketpair: int


MACHINES = {
    "x86_64": Machine(0, 0xC000003E, clone=56, clone3=435, ioctl=16, socket=41, socketpair=53),
    "aarch64": Machine(1, 0xC00000B7, clone=220, clone3=435, ioctl=29, socket=198, socketpair=199),
}


def program(machine: str | None = None) -> bytes:
    """The filter for `machine` (None: this one), ready for `bwrap --seccomp`: 8 bytes an instruction.

    Raises:
        KeyError: the machine is not in MACHINES.
    """
    kind = MACHINES[machine or platform.machine()]
    code = [
        _step(_LOAD, _AT_ARCH),
        _step(_JUMP_EQ, kind.audit_arch, yes=1),
        _step(_RETURN, _KILL),
        _step(_LOAD, _AT_NUMBER),
        *_deny(_JUMP_GT, LAST_KNOWN, errno.ENOSYS),
        *_deny(_JUMP_EQ, kind.clone3, errno.ENOSYS),
    ]
    for numbers in DENIED.values():
        number = numbers[kind.column]
        if number is not None:
            code += _deny(_JUMP_EQ, number, errno.EPERM)
    code += _when(kind.clone, _AT_ARG0, _deny(_JUMP_SET, _NAMESPACES, errno.EPERM))
    for call in (kind.socket, kind.socketpair):
        only_local = [_step(_JUMP_EQ, _AF_UNIX, yes=1), _step(_RETURN, _ERRNO | errno.EAFNOSUPPORT)]
        code += _when(call, _AT_ARG0, only_local)
    typing = _deny(_JUMP_EQ, _TIOCSTI, errno.EPERM) + _deny(_JUMP_EQ, _TIOCLINUX, errno.EPERM)
    code += _when(kind.ioctl, _AT_ARG1, typing)
    return b"".join([*code, _step(_RETURN, _ALLOW)])


def _step(code: int, value: int, *, yes: int = 0, no: int = 0) -> bytes:
    """One instruction; `yes` and `no` are how many instructions a jump skips. struct sock_filter, little endian."""
    return struct.pack("<HBBI", code, yes, no, value)


def _deny(test: int, value: int, error: int) -> list[bytes]:
    return [_step(test, value, no=1), _step(_RETURN, _ERRNO | error)]


def _when(call: int, argument: int, checks: list[bytes]) -> list[bytes]:
    """`checks` on an argument's low word when the loaded number is `call`; allows the call that passes them."""
    block = [_step(_LOAD, argument), *checks, _step(_RETURN, _ALLOW)]
    return [_step(_JUMP_EQ, call, no=len(block)), *block]
