"""Projects come from git and archives whole, bounded, and without a way out of their folder."""

from __future__ import annotations

import io
import os
import stat
import subprocess
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuromation.learning.errors import BadProjectSource, ProjectTooLarge
from neuromation.learning.projects.sources import Snapshot, SourceLimits, take_project, without_password

FILES = {"neuromation-project.yaml": b"format: x\n", "src/train.py": b"print(1)\n", "run.sh": b"#!/bin/sh\n"}
SMALL = SourceLimits(files=8, file_bytes=100_000, total_bytes=150_000)


def git(folder: Path, *words: str) -> str:
    env = {"PATH": os.environ["PATH"], "HOME": str(folder), "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    identity = ["-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "protocol.file.allow=always"]
    done = subprocess.run(["git", *identity, *words], cwd=folder, env=env, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def a_repository(folder: Path, files: dict[str, bytes] = FILES) -> Path:
    folder.mkdir(parents=True)
    git(folder, "init", "-q", "-b", "main")
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    (folder / "run.sh").chmod(0o755)
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "first")
    return folder


def a_zip(path: Path, files: dict[str, bytes], *, modes: dict[str, int] | None = None) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = (modes or {}).get(name, stat.S_IFREG | 0o644) << 16
            archive.writestr(info, data)
    return path


def a_tar(path: Path, files: dict[str, bytes], *, members: list[tarfile.TarInfo] | None = None) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(data), 0o755 if name.endswith(".sh") else 0o644
            archive.addfile(info, io.BytesIO(data))
        for info in members or []:
            archive.addfile(info)
    return path


def a_link(name: str, aim: str, kind: bytes = tarfile.SYMTYPE) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, aim
    return info


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def refused(source: Path | str, tmp_path: Path, *, match: str, commit: str = "HEAD") -> None:
    out = tmp_path / "taken" / "here"
    with pytest.raises(BadProjectSource, match=match):
        take_project(str(source), out, commit=commit, limits=SMALL)
    assert list(out.parent.iterdir()) == []


def test_a_repository_is_taken_at_its_newest_commit_and_at_an_older_one(tmp_path: Path) -> None:
    repository = a_repository(tmp_path / "repo")
    first = git(repository, "rev-parse", "HEAD")
    (repository / "src/train.py").write_bytes(b"print(2)\n")
    git(repository, "commit", "-q", "-a", "-m", "second")
    newest, older = (take_project(str(repository), tmp_path / n, commit=c) for n, c in (("b", "HEAD"), ("a", first)))
    assert contents(older.folder) == FILES and older.commit == first
    assert contents(newest.folder)["src/train.py"] == b"print(2)\n"
    assert take_project(repository.as_uri(), tmp_path / "c", commit="main").content_hash == newest.content_hash
    assert (older.folder / "run.sh").stat().st_mode & 0o111


def test_the_same_files_have_one_hash_wherever_they_came_from(tmp_path: Path) -> None:
    taken: list[Snapshot] = [take_project(str(a_repository(tmp_path / "repo")), tmp_path / "a")]
    modes = {"top/run.sh": stat.S_IFREG | 0o755}
    inside = {f"top/{name}": data for name, data in FILES.items()}
    taken.append(take_project(str(a_zip(tmp_path / "p.zip", inside, modes=modes)), tmp_path / "b"))
    taken.append(take_project(str(a_tar(tmp_path / "p.tar.gz", FILES)), tmp_path / "c"))
    assert len({one.content_hash for one in taken}) == 1
    assert {one.files for one in taken} == {len(FILES)}
    assert [bool(one.commit) for one in taken] == [True, False, False]


def test_a_folder_inside_of_a_repository_can_be_named(tmp_path: Path) -> None:
    repository = a_repository(tmp_path / "repo", {"run.sh": b"", "one/a.txt": b"1", "two/a.txt": b"2"})
    assert contents(take_project(f"{repository}#two", tmp_path / "out").folder) == {"a.txt": b"2"}
    refused(f"{repository}#../one", tmp_path, match="no folder inside")
    refused(f"{repository}#three", tmp_path, match="no folder 'three'")


def test_hooks_filters_and_submodules_of_a_repository_do_nothing(tmp_path: Path) -> None:
    other = a_repository(tmp_path / "other")
    repository = a_repository(
        tmp_path / "repo",
        {**FILES, ".gitattributes": b"*.py filter=evil\n*.sh export-ignore\n", "x.txt": b"$Format:%H$"},
    )
    git(repository, "submodule", "--quiet", "add", str(other), "sub")
    git(repository, "commit", "-q", "-m", "with a submodule")
    mark = tmp_path / "ran"
    for name in ("post-checkout", "post-merge", "reference-transaction", "post-index-change", "pre-auto-gc"):
        hook = repository / ".git/hooks" / name
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(f"#!/bin/sh\ntouch {mark}\n")
        hook.chmod(0o755)
    for setting, value in {
        "filter.evil.smudge": f"touch {mark}", "core.fsmonitor": f"touch {mark}", "core.sshCommand": f"touch {mark}",
        "uploadpack.packObjectsHook": f"touch {mark}", "core.gitProxy": f"touch {mark}",
    }.items():  # fmt: skip
        git(repository, "config", setting, value)
    mark.unlink(missing_ok=True)
    taken = contents(take_project(str(repository), tmp_path / "out").folder)
    assert not mark.exists()
    assert set(taken) == {*FILES, ".gitattributes", ".gitmodules", "x.txt"}
    assert taken["x.txt"] == b"$Format:%H$"


def test_links_inside_are_kept_and_links_out_are_refused(tmp_path: Path) -> None:
    kept = take_project(
        str(a_tar(tmp_path / "in.tar.gz", FILES, members=[a_link("l.py", "src/train.py")])), tmp_path / "o"
    )
    assert (kept.folder / "l.py").is_symlink() and (kept.folder / "l.py").read_bytes() == FILES["src/train.py"]
    for number, members in enumerate(
        [
            [a_link("l", "/etc/passwd")],
            [a_link("l", "../../../../../../etc/passwd")],
            [a_link("l", "nothing-there")],
            [a_link("a", "b"), a_link("b", "a")],
            [a_link("src/up", ".."), a_link("l", "src/up/../..")],
            [a_link("src/up", "../.."), a_link("src/up/l", "x")],
        ]
    ):
        refused(a_tar(tmp_path / f"{number}.tar.gz", FILES, members=members), tmp_path, match=r"link|below a file")
    repository = a_repository(tmp_path / "repo")
    (repository / "out").symlink_to("/etc")
    git(repository, "add", "-A")
    git(repository, "commit", "-q", "-m", "a link out")
    refused(repository, tmp_path, match="the link out leads out")
    modes = {"l": stat.S_IFLNK | 0o777}
    refused(a_zip(tmp_path / "l.zip", {"l": b"/etc/passwd"}, modes=modes), tmp_path, match="the link l leads out")


@pytest.mark.parametrize(
    "name", ["../x", "a/../../x", "/etc/x", "C:/x", "a\\..\\x", "a\x1bb", "x" * 300, ".git/config", "a/" * 40]
)
@pytest.mark.parametrize("make", [a_zip, a_tar], ids=["zip", "tar"])
def test_paths_that_lead_out_or_look_odd_are_refused(make: Callable[..., Path], name: str, tmp_path: Path) -> None:
    path = make(tmp_path / ("p.zip" if make is a_zip else "p.tar.gz"), {"good.txt": b"1", name + "/f": b"2"})
    refused(path, tmp_path, match=r"leads out|usable path|git itself")


def test_hard_links_and_devices_are_refused(tmp_path: Path) -> None:
    refused(
        a_tar(tmp_path / "h.tar.gz", FILES, members=[a_link("h", "run.sh", tarfile.LNKTYPE)]),
        tmp_path,
        match="no plain file",
    )
    refused(
        a_tar(tmp_path / "d.tar.gz", FILES, members=[a_link("d", "", tarfile.CHRTYPE)]), tmp_path, match="no plain file"
    )
    refused(a_zip(tmp_path / "f.zip", {"f": b""}, modes={"f": stat.S_IFIFO}), tmp_path, match="no plain file")


def test_bombs_end_at_the_limit(tmp_path: Path) -> None:
    many = {f"{number}.txt": b"" for number in range(SMALL.files + 1)}
    big = {"a": bytes(90_000), "b": bytes(90_000)}  # a hundred bytes packed
    for name, files in (("many", many), ("big", big), ("one", {"a": bytes(200_000)})):
        for path in (a_zip(tmp_path / f"{name}.zip", files), a_tar(tmp_path / f"{name}.tar.gz", files)):
            with pytest.raises(ProjectTooLarge):
                take_project(str(path), tmp_path / "out", limits=SMALL)
    with pytest.raises(ProjectTooLarge, match="more than 8 files"):
        take_project(str(a_repository(tmp_path / "repo", {**many, "run.sh": b""})), tmp_path / "out", limits=SMALL)
    noise = os.urandom(2_000_000)
    with pytest.raises(ProjectTooLarge, match="packed"):
        take_project(str(a_repository(tmp_path / "noise", {"run.sh": b"", "n": noise})), tmp_path / "out", limits=SMALL)


def test_what_is_there_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "p.tar"
    with tarfile.open(path, "w") as archive:
        for name in ("a", "a"):
            archive.addfile(tarfile.TarInfo(name), io.BytesIO())
    refused(path, tmp_path, match="there twice")
    refused(a_zip(tmp_path / "q.zip", {"a": b"", "a/b": b""}), tmp_path, match="below a file")


def test_what_cannot_be_read_is_said_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "bad.zip").write_bytes(b"PK nonsense")
    (tmp_path / "bad.tar.gz").write_bytes(b"nonsense")
    (tmp_path / "plain").mkdir()
    refused(tmp_path / "bad.zip", tmp_path, match="cannot be read as an archive")
    refused(tmp_path / "bad.tar.gz", tmp_path, match="cannot be read as an archive")
    refused(tmp_path / "none.zip", tmp_path, match="there is no archive")
    refused(tmp_path / "nowhere", tmp_path, match="there is no repository")
    refused(tmp_path / "plain", tmp_path, match="no git repository")
    repository = a_repository(tmp_path / "repo")
    refused(repository, tmp_path, commit="no-such-branch", match="git cannot read")
    refused(repository, tmp_path, commit="0" * 40, match="git cannot read")
    refused(repository, tmp_path, commit="--upload-pack=x", match="is no commit")
    refused("ext::sh -c id", tmp_path, match="no repository")
    refused("ext://sh", tmp_path, match="no address")


@given(st.binary(max_size=400))
def test_no_bytes_make_the_reader_of_archives_fail_otherwise(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    folder = tmp_path_factory.mktemp("fuzz")
    for name, head in (("x.zip", b"PK\x03\x04"), ("x.tar", b"a" * 100)):
        (folder / name).write_bytes(head + data)
        with pytest.raises(BadProjectSource):
            take_project(str(folder / name), folder / "out", limits=SMALL)


def test_a_password_is_not_kept() -> None:
    assert without_password("https://me:secret@example.org/x.git") == "https://example.org/x.git"


def test_what_git_says_is_passed_on_without_passwords_and_without_advice(tmp_path: Path) -> None:
    with pytest.raises(BadProjectSource, match="fatal: ") as caught:
        take_project(f"file://me:secret@{tmp_path}/no-repository", tmp_path / "out")
    assert "secret" not in caught.value.message and "access rights" not in caught.value.message
