"""The files of a project, taken from git or an archive into a folder; refuses to know what the files mean.

Whatever comes in was written by strangers. Of git only objects are read: there is no working tree, so that no hook, no
filter, no attribute and no submodule of a repository is ever acted on. Of archives every byte is counted as it comes out.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import re
import shutil
import stat
import subprocess
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import IO, Protocol
from urllib.parse import urlsplit, urlunsplit

from neuromation.learning.errors import BadProjectSource, ProjectTooLarge

MIB = 1 << 20
GIT_TIMEOUT_S = 300.0
_NAME_MAX, _PATH_MAX, _DEPTH_MAX, _LINK_MAX = 200, 1000, 32, 1000
_CHUNK = 1 << 20
_SCHEMES = ("https", "ssh", "file")
_SSH_SHORT = re.compile(r"[A-Za-z0-9._-]+@[A-Za-z0-9.-]+:(?!/).+")  # user@host:path
_COMMIT = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")
_REF = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./+-]{0,199}")
_PASSWORD = re.compile(r"//[^/@\s]+@")
_ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")


@dataclass(frozen=True, slots=True)
class SourceLimits:
    """The most that is taken over: files, bytes of one file, and bytes in all."""

    files: int = 5_000
    file_bytes: int = 256 * MIB
    total_bytes: int = 512 * MIB


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The files of a project as they were at one moment.

    Attributes:
        folder: holds them; nothing in it leads out of it.
        source: the repository or archive, without passwords.
        commit: full hash, or "" for an archive.
        content_hash: sha256 over paths, modes and contents; the same files have the same hash wherever they came from.
        files, total_bytes: how much it is.
    """

    folder: Path
    source: str
    commit: str
    content_hash: str
    files: int
    total_bytes: int


class _Readable(Protocol):
    """What a file of any source can do."""

    def read(self, count: int, /) -> bytes: ...

    def __enter__(self) -> _Readable: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...


@dataclass(frozen=True, slots=True)
class _Entry:
    path: PurePosixPath
    size: int
    executable: bool
    is_link: bool
    open: Callable[[], _Readable]


LIMITS = SourceLimits()


def take_project(source: str, into: Path, *, commit: str = "HEAD", limits: SourceLimits = LIMITS) -> Snapshot:
    """Take a project over into `into`, a new or empty folder.

    Args:
        source: an archive (.zip, .tar, .tar.gz, .tar.bz2, .tar.xz), a local git repository, or a URL of one (https,
            ssh, file). `#folder` at its end names a folder inside of it.
        commit: a full hash, a branch or a tag; for git only.

    An archive whose files all lie in one folder gives that folder's files, as the archives of git hosts do.

    Raises:
        BadProjectSource: it is not there, cannot be read, or has paths or links that lead out of it.
        ProjectTooLarge: more files or bytes than `limits`.
    """
    place, _, inner = source.partition("#")
    if into.exists() and (not into.is_dir() or any(into.iterdir())):
        raise BadProjectSource(f"{into} is not an empty folder; name another one")
    part = Path(tempfile.mkdtemp(prefix=".project-", dir=_existing(into.parent)))
    try:
        if place.lower().endswith(_ARCHIVES) and "://" not in place:
            resolved = ""
            _take_archive(Path(place), part, limits)
        else:
            resolved = _take_git(place, commit, part, limits)
        chosen = _chosen(part, inner)
        content_hash, files, total = content_of(chosen)
        if into.exists():
            into.rmdir()
        chosen.chmod(0o755)
        chosen.rename(into)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    shown = without_password(place) + (f"#{inner}" if inner else "")
    return Snapshot(into, shown, resolved, content_hash, files, total)


def take_packed(archive: Path, into: Path, *, limits: SourceLimits = LIMITS) -> Snapshot:
    """Take over an archive whose name does not tell its kind, as `take_project` does. Raises what that raises."""
    with archive.open("rb") as file:
        kind = ".zip" if file.read(2) == b"PK" else ".tar"
    with tempfile.TemporaryDirectory(prefix="neuromation-packed-") as folder:
        named = Path(folder, f"project{kind}")
        named.symlink_to(archive.resolve())
        return take_project(str(named), into, limits=limits)


def pack_project(folder: Path, archive: Path) -> None:
    """Pack a folder that was taken over as a .tar.gz: its files, links and modes; the same files give the same bytes."""
    with (
        archive.open("wb") as raw,
        gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as packed,
        tarfile.open(mode="w", fileobj=packed) as made,
    ):
        for path in _contents(folder):
            info = made.gettarinfo(path, path.relative_to(folder).as_posix())
            info.uid, info.gid, info.uname, info.gname, info.mtime = 0, 0, "", "", 0
            info.mode = 0o755 if info.mode & 0o100 else 0o644
            if info.issym():
                made.addfile(info)
                continue
            with path.open("rb") as file:
                made.addfile(info, file)


def without_password(url: str) -> str:
    """The URL as it may be shown and kept: without user and password."""
    if "://" not in url:
        return url
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _existing(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _chosen(root: Path, inner: str) -> Path:
    if not inner:
        return root
    if PurePosixPath(inner).is_absolute() or ".." in PurePosixPath(inner).parts:
        raise BadProjectSource(f"{inner[:100]!r} is no folder inside of the project; name one without ..")
    folder = root / inner
    if folder.is_symlink() or not folder.is_dir():
        raise BadProjectSource(f"the project has no folder {inner[:100]!r}")
    _check_links(folder, [path for path in folder.rglob("*") if path.is_symlink()])
    return folder


# Archives.


def _take_archive(path: Path, into: Path, limits: SourceLimits) -> None:
    try:
        opened = _zip_entries(path) if path.name.lower().endswith(".zip") else _tar_entries(path)
        with opened as entries:
            _write(entries, into, limits)
    except FileNotFoundError as error:
        raise BadProjectSource(f"there is no archive {path}") from error
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError) as error:
        raise BadProjectSource(
            f"{path.name} cannot be read as an archive ({str(error)[:200]}); pack it again"
        ) from error
    inside = list(into.iterdir())
    if len(inside) == 1 and inside[0].is_dir() and not inside[0].is_symlink():
        _lift(inside[0], into)


def _lift(only: Path, into: Path) -> None:
    """Move the files of the only folder up; its links are relative and keep their aims."""
    lifted = only.rename(into / ".lifted")  # a file in it may have the folder's own name
    for path in list(lifted.iterdir()):
        path.rename(into / path.name)
    lifted.rmdir()
    _check_links(into, [path for path in into.rglob("*") if path.is_symlink()])


@contextmanager
def _zip_entries(path: Path) -> Iterator[Iterable[_Entry]]:
    with zipfile.ZipFile(path) as archive:

        def entry(info: zipfile.ZipInfo) -> _Entry:
            mode = info.external_attr >> 16
            if info.flag_bits & 1:
                raise BadProjectSource(f"{path.name} is encrypted; pack it without a password")
            if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFLNK):
                raise BadProjectSource(
                    f"{info.filename[:100]!r} is no plain file; a project is files, folders and links"
                )
            return _Entry(
                _checked_path(info.filename), info.file_size, bool(mode & 0o111), stat.S_ISLNK(mode),
                partial(archive.open, info),
            )  # fmt: skip

        yield (entry(info) for info in archive.infolist() if not info.is_dir())


@contextmanager
def _tar_entries(path: Path) -> Iterator[Iterable[_Entry]]:
    with tarfile.open(path) as archive:

        def file_of(info: tarfile.TarInfo) -> IO[bytes]:
            opened = archive.extractfile(info)
            assert opened is not None, "a plain file has contents"
            return opened

        def entries() -> Iterator[_Entry]:
            for info in archive:
                if info.isdir():
                    continue
                if not (info.isreg() or info.issym()):
                    raise BadProjectSource(
                        f"{info.name[:100]!r} is no plain file; a project is files, folders and symbolic links"
                    )
                yield _Entry(
                    _checked_path(info.name), info.size, bool(info.mode & 0o111), info.issym(),
                    partial(_aim_file, info.linkname) if info.issym() else partial(file_of, info),
                )  # fmt: skip

        yield entries()


def _aim_file(aim: str) -> IO[bytes]:
    return io.BytesIO(os.fsencode(aim))


# git.


def _take_git(place: str, commit: str, into: Path, limits: SourceLimits) -> str:
    url = _git_url(place)
    if not (_COMMIT.fullmatch(commit) or _REF.fullmatch(commit)) or ".." in commit:
        raise BadProjectSource(f"{commit[:100]!r} is no commit; give its full hash, a branch or a tag")
    if shutil.which("git") is None:
        raise BadProjectSource("git is not installed; install it, or import an archive of the project")
    with tempfile.TemporaryDirectory(prefix="neuromation-git-") as store:
        _git(store, "init", "--quiet", "--bare", "--template=", store)
        _git(store, "fetch", "--quiet", "--depth=1", "--no-tags", "--recurse-submodules=no", "--no-write-commit-graph",
             "--", url, commit, bytes_max=limits.total_bytes, about=without_password(place))  # fmt: skip
        resolved = _git(store, "rev-parse", "--verify", "FETCH_HEAD^{commit}").decode().strip()
        listing = _git(store, "ls-tree", "-r", "-z", "--long", "--full-tree", resolved)
        with _git_entries(store, listing) as entries:
            _write(entries, into, limits)
    return resolved


def _git_url(place: str) -> str:
    if _SSH_SHORT.fullmatch(place):
        return place
    if "://" in place:
        if urlsplit(place).scheme not in _SCHEMES:
            raise BadProjectSource(
                f"{without_password(place)[:200]!r} is no address to fetch from; use https, ssh or file"
            )
        return place
    folder = Path(place).expanduser()
    if not folder.is_dir():
        raise BadProjectSource(
            f"there is no repository or archive {place[:200]!r}; archives end with {', '.join(_ARCHIVES)}"
        )
    if not ((folder / ".git").exists() or (folder / "HEAD").is_file()):
        raise BadProjectSource(
            f"{folder} is no git repository; run `git init` and commit there, or pack it as an archive"
        )
    return folder.resolve().as_uri()  # through git's own server side, which trusts nothing of the repository


def _git(store: str, *words: str, bytes_max: int = 0, about: str = "") -> bytes:
    """The output of a git command on `store`; with `bytes_max` no file that it writes may be longer."""
    command = _git_command(store, *words)
    if bytes_max:
        # A fetched pack is one file (fetch.unpackLimit), so this bounds what a server can send.
        command = ["/bin/sh", "-c", f'ulimit -f {bytes_max // 512 + 1}; exec "$@"', "sh", *command]
    try:
        done = subprocess.run(
            command, capture_output=True, check=False, env=_git_environment(), timeout=GIT_TIMEOUT_S, stdin=subprocess.DEVNULL
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise BadProjectSource(
            f"git took longer than {GIT_TIMEOUT_S:g} s for {about or words[0]}; try again"
        ) from error
    if done.returncode == 0:
        return done.stdout
    said = done.stderr.decode(errors="replace").strip()
    if bytes_max and max((path.stat().st_size for path in Path(store).rglob("*pack*")), default=0) >= bytes_max:
        raise ProjectTooLarge(f"{about} is larger than {bytes_max // MIB} MiB packed; import a smaller project")
    lines = [line.strip() for line in said.splitlines() if line.strip()] or ["it said nothing"]
    # What follows the first fatal line is general advice about access rights.
    why = next((line for line in lines if line.startswith(("fatal:", "error:", "remote:", "ssh:"))), lines[-1])
    raise BadProjectSource(f"git cannot read {about or 'the repository'}: {_PASSWORD.sub('//', why)[:300]}")


def _git_command(store: str, *words: str) -> list[str]:
    settings = (
        "core.hooksPath=/dev/null", "fetch.unpackLimit=1", "transfer.unpackLimit=1", "fetch.fsckObjects=true",
        "gc.auto=0", "protocol.version=2", "submodule.recurse=false", "http.followRedirects=initial",
    )  # fmt: skip
    return ["git", *(word for setting in settings for word in ("-c", setting)), f"--git-dir={store}", *words]


def _git_environment() -> dict[str, str]:
    """Nothing of the user's git but the keys of ssh and a proxy: no configuration, no helpers, no questions."""
    kept = ("PATH", "HOME", "SSH_AUTH_SOCK", "https_proxy", "HTTPS_PROXY", "no_proxy", "NO_PROXY", "SSL_CERT_FILE")
    return {name: os.environ[name] for name in kept if name in os.environ} | {
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_ALLOW_PROTOCOL": ":".join(_SCHEMES),
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "true",
        "GIT_SSH_COMMAND": "ssh -oBatchMode=yes",
        "GIT_NO_LAZY_FETCH": "1",
        "LC_ALL": "C",
    }


@contextmanager
def _git_entries(store: str, listing: bytes) -> Iterator[Iterable[_Entry]]:
    """The files of a tree, of which `git ls-tree` told name and size before one of them is read."""
    reader = subprocess.Popen(
        _git_command(store, "cat-file", "--batch"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=_git_environment()
    )  # fmt: skip
    assert reader.stdin is not None and reader.stdout is not None
    requests, answers = reader.stdin, reader.stdout

    def opened(name: str) -> _Readable:
        requests.write(f"{name}\n".encode())
        requests.flush()
        head = answers.readline().split()
        if len(head) != 3:
            raise BadProjectSource("an object of the repository is missing; repair it with `git fsck`")
        return _Bounded(answers, int(head[2]))

    def entries() -> Iterator[_Entry]:
        for line in listing.split(b"\0")[:-1]:
            head, _, raw = line.partition(b"\t")
            mode, kind, name, size = head.decode().split()
            if kind != "blob":
                continue  # a submodule: another repository, which is not asked for
            path = _checked_path(raw.decode("utf-8", "surrogateescape"))
            yield _Entry(path, int(size), mode == "100755", mode == "120000", partial(opened, name))

    try:
        yield entries()
    finally:
        reader.kill()
        reader.communicate()


class _Bounded:
    """One object out of a stream of them: reads to its end and the line break after it, no further."""

    def __init__(self, stream: IO[bytes], size: int) -> None:
        self._stream, self._left, self._ended = stream, size, False

    def read(self, count: int) -> bytes:
        data = self._stream.read(min(count, self._left))
        self._left -= len(data)
        if not self._left and not self._ended:
            self._ended = True
            self._stream.read(1)
        return data

    def __enter__(self) -> _Bounded:
        return self

    def __exit__(self, *_: object) -> None:
        return


# Writing.


def _checked_path(name: str) -> PurePosixPath:
    """A path that stays below its folder and can be written everywhere. Raises BadProjectSource."""
    path = PurePosixPath(name.removeprefix("./"))
    parts = path.parts
    if path.is_absolute() or ".." in parts or re.match(r"[A-Za-z]:", name):
        raise BadProjectSource(f"{name[:100]!r} leads out of the project; nothing of it was taken")
    odd = not parts or len(name) > _PATH_MAX or len(parts) > _DEPTH_MAX or "\\" in name or not name.isprintable()
    if odd or any(len(os.fsencode(part)) > _NAME_MAX for part in parts):
        raise BadProjectSource(f"{name[:100]!r} is no usable path: too long, too deep, or with odd characters")
    if ".git" in (part.lower() for part in parts):
        raise BadProjectSource(f"{name[:100]!r} belongs to git itself; a project has no such files")
    return path


def _write(entries: Iterable[_Entry], into: Path, limits: SourceLimits) -> None:
    """Write plain files first and links last, so that nothing is ever written through a link."""
    links: list[tuple[PurePosixPath, str]] = []
    files, left = 0, limits.total_bytes
    for entry in entries:
        files += 1
        if files > limits.files:
            raise ProjectTooLarge(f"the project has more than {limits.files} files; leave data out of it")
        if entry.is_link:
            links.append((entry.path, _aim(entry)))
            continue
        if entry.size > limits.file_bytes:
            raise ProjectTooLarge(
                f"{entry.path} is larger than {limits.file_bytes // MIB} MiB; leave data out of the project"
            )
        left -= _write_file(entry, into / entry.path, min(left, limits.file_bytes), limits)
    for path, aim in links:
        target = into / path
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            if not target.parent.resolve().is_relative_to(into.resolve()):
                raise BadProjectSource(f"{path} lies behind a link that leads out of the project")
            target.symlink_to(aim)
        except OSError as error:
            raise BadProjectSource(f"{path} is there twice, or below a file; pack the project again") from error
    _check_links(into, [into / path for path, _ in links])
    if files == 0:
        raise BadProjectSource("there is no file in it; is it the right one?")


def _write_file(entry: _Entry, target: Path, room: int, limits: SourceLimits) -> int:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(
            target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o755 if entry.executable else 0o644
        )
    except OSError as error:
        raise BadProjectSource(f"{entry.path} is there twice, or below a file; pack the project again") from error
    written = 0
    with os.fdopen(descriptor, "wb") as out, entry.open() as file:
        # What a header says of a size is a claim: bytes are counted as they come out.
        while data := file.read(_CHUNK):
            written += len(data)
            if written > room:
                raise ProjectTooLarge(
                    f"the project is larger than {limits.total_bytes // MIB} MiB at {entry.path}; leave data out of it"
                )
            out.write(data)
    return written


def _aim(entry: _Entry) -> str:
    with entry.open() as file:
        aim = os.fsdecode(file.read(_LINK_MAX + 1))
    if len(aim) > _LINK_MAX or not aim or PurePosixPath(aim).is_absolute() or "\0" in aim:
        raise BadProjectSource(f"the link {entry.path} leads out of the project; nothing of it was taken")
    return aim


def _check_links(root: Path, links: Iterable[Path]) -> None:
    for link in links:
        try:
            inside = link.resolve(strict=True).is_relative_to(root.resolve())
        except (OSError, RuntimeError):  # it leads nowhere, or in a circle
            inside = False
        if not inside:
            raise BadProjectSource(f"the link {link.relative_to(root)} leads out of the project, or to nothing in it")


def content_of(folder: Path) -> tuple[str, int, int]:
    """A folder's content: sha256 over paths, modes and contents of its files and links; their number; their bytes."""
    lines, total = [], 0
    for path in _contents(folder):
        if path.is_symlink():
            kind, digest = "link", hashlib.sha256(os.fsencode(path.readlink())).hexdigest()
        else:
            kind = "program" if path.stat().st_mode & 0o100 else "file"
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            total += path.stat().st_size
        lines.append(b"%s %s %s\0" % (kind.encode(), digest.encode(), os.fsencode(path.relative_to(folder).as_posix())))
    return hashlib.sha256(b"".join(lines)).hexdigest(), len(lines), total


def _contents(folder: Path) -> list[Path]:
    """Files and links below a folder, in one order."""
    return sorted((path for path in folder.rglob("*") if path.is_symlink() or path.is_file()), key=os.fsencode)
