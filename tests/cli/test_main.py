"""The entry point: quick, lazy, helpful, with an exit code for every end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from cli.conftest import Run
from client.stand_in_platform import NOW, StandIn, a_node, ok, problem
from neuromation import __version__
from neuromation.cli import main as entry
from neuromation.cli.output import Output
from neuromation.kernel import errors

WRITTEN_ELSEWHERE = {"demo"}
NOUNS = [noun for noun in entry._NOUNS if noun not in WRITTEN_ELSEWHERE]


def commands() -> list[tuple[str, ...]]:
    """Every command line without its arguments."""
    found: list[tuple[str, ...]] = []
    for noun in NOUNS:
        verbs = getattr(entry._loaded(noun), "commands", None)
        found += [(noun,)] if verbs is None else [(noun, verb) for verb in verbs]
    return found


def in_a_process(*args: str, **environment: str) -> subprocess.CompletedProcess[str]:
    env = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **environment}
    return subprocess.run(
        check=False, args=[sys.executable, "-m", "neuromation.cli.main", *args], capture_output=True, text=True, env=env
    )


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_every_command_has_json_and_an_example_of_itself(anyone: Run, words: tuple[str, ...]) -> None:
    done = anyone(*words, "--help")
    assert done.code == 0
    assert "--json" in done.out
    example = done.out[done.out.index("Example:") :]
    assert f"neuromation {' '.join(words[:1])}" in example


def test_help_names_every_noun_and_the_exit_codes(anyone: Run) -> None:
    done = anyone("--help")
    assert all(noun in done.out for noun in entry._NOUNS)
    assert "124 waited too long" in " ".join(done.out.split())


def test_help_and_a_plain_command_load_nothing_heavy() -> None:
    heavy = ("torch", "fastapi", "pyarrow", "sqlalchemy", "numba", "PIL", "scipy", "onnxruntime")
    code = (
        "import sys; from neuromation.cli.main import main; "
        "[main([*noun, '--help']) for noun in ([], ['dataset'], ['dataset', 'order'], ['node', 'start'], ['serve'])]; "
        f"print([name for name in {heavy} + ('httpx2', 'numpy', 'rich') if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"


def test_the_version_is_printed(anyone: Run) -> None:
    assert anyone("--version").out.strip() == __version__


def test_a_noun_alone_is_answered_with_its_help(anyone: Run) -> None:
    done = anyone("job")
    assert done.code == 2
    assert "Watch, wait" in done.out + done.err


@pytest.mark.parametrize(
    "args",
    [
        ("nonsense",),
        ("job", "nonsense"),
        ("job", "show"),
        ("job", "list", "--limit", "many"),
        ("job", "list", "--limit", "0"),
    ],
)
def test_wrong_usage_is_exit_code_2_and_points_to_the_help(anyone: Run, args: tuple[str, ...]) -> None:
    done = anyone(*args)
    assert (done.code, done.out) == (2, "")
    assert "--help`" in done.err


@pytest.mark.parametrize(
    ("status", "reason", "code"),
    [
        (401, "unauthenticated", 4),
        (403, "missing-role", 4),
        (404, "no-such-job", 3),
        (409, "job-ended", 5),
        (413, "too-large", 2),
        (422, "invalid-request", 2),
        (429, "too-many", 5),
        (501, "odd", 6),
    ],
)
def test_every_kind_of_refusal_has_its_exit_code(
    ada: Run, platform: StandIn, status: int, reason: str, code: int
) -> None:
    # The wait asked for is longer than a client waits by itself.
    platform.on("POST", "/jobs/job_1/cancel", problem(status, reason, "no; do that", {"Retry-After": "3600"}))
    done = ada("job", "cancel", "job_1")
    assert (done.code, done.out) == (code, "")
    assert done.err == "error: no; do that\n"


def test_nobody_listening_is_exit_code_6(anyone: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("neuromation.client.transport.BACKOFF_FIRST_S", 0.001)
    done = anyone("wallet", "show", "--endpoint", "http://127.0.0.1:9", "--token", "t")
    assert done.code == 6
    assert "neuromation serve" in done.err


def test_nobody_logged_in_is_exit_code_4_and_says_what_to_do(anyone: Run) -> None:
    done = anyone("wallet", "show")
    assert done.code == 4
    assert "auth login" in done.err


def test_errors_with_json_leave_stdout_empty_and_are_json_themselves(anyone: Run) -> None:
    done = anyone("wallet", "show", "--json")
    assert done.out == ""
    assert json.loads(done.err)["error"]["exit_code"] == 4


def test_a_file_that_cannot_be_written_is_a_sentence(anyone: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    done = anyone("generator", "preview", "digits", "-n", "1", "--out", str(tmp_path / "file" / "p.png"))
    assert done.code == 1
    assert done.err.startswith("error: ")


def interrupt() -> None:
    raise KeyboardInterrupt


def break_down() -> None:
    raise ZeroDivisionError("oh")


@pytest.mark.parametrize(
    ("fault", "code", "word"), [(interrupt, 130, "interrupted"), (break_down, 1, "a bug: ZeroDivision")]
)
def test_an_interruption_and_a_bug_end_with_a_sentence(
    anyone: Run, monkeypatch: pytest.MonkeyPatch, fault: object, code: int, word: str
) -> None:
    app = typer.Typer()
    app.command("serve")(fault)  # type: ignore[type-var]
    monkeypatch.setattr("neuromation.cli.serve.app", app)
    done = anyone("serve")
    assert done.code == code
    assert "Traceback" not in done.err
    if code == 1:
        assert word in done.err


def test_the_real_entry_point_runs_and_is_coloured_on_no_pipe() -> None:
    done = in_a_process("job", "show", "job_1", NO_COLOR="1")
    assert (done.returncode, done.stdout) == (4, "")
    assert "\x1b" not in done.stderr


def test_a_reader_that_leaves_early_is_no_traceback(platform: StandIn) -> None:
    nodes = {"nodes": [a_node(id=f"node_{n}", name="x" * 60) for n in range(2000)]}
    platform.on("GET", "/nodes", ok(nodes))
    command = f"{sys.executable} -m neuromation.cli.main node list --json | head -n 1"
    env = {"PATH": os.environ["PATH"], "NEUROMATION_ENDPOINT": platform.endpoint, "NEUROMATION_TOKEN": "t"}
    done = subprocess.run(["sh", "-c", command], check=False, capture_output=True, text=True, env=env)
    assert done.stdout == "{\n"
    assert done.stderr == ""


def test_an_extra_that_is_missing_is_named_with_the_line_that_installs_it(
    anyone: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "PIL", None)
    done = anyone("generator", "preview", "digits", "-n", "1")
    assert done.code == 1
    assert "pip install '.[synthetic]'" in done.err


def test_json_never_holds_a_number_that_json_does_not_know(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="JSON"):
        Output(as_json=True).result(float("nan"), lambda: None)
    assert capsys.readouterr().out == ""


def test_money_nodes_prices_and_books_are_shown(ada: Run, platform: StandIn) -> None:
    wallet = {"account": "acc_1", "available": "12.5", "held": "0", "escrow": "4.2", "fiat": "3.75 USD (estimate)"}
    entry = {"at": NOW, "kind": "refund", "ref": "job_1", "amount": "-2.4", "balance": "12.5"}
    price = {"at": NOW, "kind": "render", "price_per_cu": "0.9", "tasks": 4, "nodes": 2}
    platform.on("GET", "/wallet", ok(wallet))
    platform.on("GET", "/wallet/entries", ok({"entries": [entry]}))
    platform.on("GET", "/market/prices", ok({"prices": [price]}))
    platform.on("GET", "/nodes", ok({"nodes": [a_node()]}))
    assert "12.5 NTK, 3.75 USD (estimate)" in ada("wallet", "show").out
    assert ada("wallet", "show", "--json").json()["entries"][0]["amount"] == "-2.4"
    assert "0.9" in ada("market", "prices", "--kind", "render").out
    assert "rig-1" in ada("node", "list").out


def test_an_audit_with_findings_fails(ada: Run, platform: StandIn) -> None:
    books = {"balanced": True, "findings": [], "transfers": 9, "accounts": 4, "in_circulation": "100"}
    platform.on("GET", "/admin/audit", ok(books))
    assert ada("admin", "audit").code == 0
    finding = {"check": "sum", "subject": "user:acc_1", "message": "1 micro-NTK too much"}
    platform.on("GET", "/admin/audit", ok(books | {"balanced": False, "findings": [finding]}))
    done = ada("admin", "audit")
    assert done.code == 1
    assert "1 micro-NTK too much" in done.out


def test_funding_says_the_new_balance(ada: Run, platform: StandIn) -> None:
    wallet = {"account": "acc_1", "available": "250", "held": "0", "escrow": "0", "fiat": "75 USD"}
    platform.on("POST", "/admin/fund", ok(wallet))
    assert "250 NTK" in ada("admin", "fund", "ada@example.org", "250").out
    assert ada("admin", "fund", "ada@example.org", "--", "-3").code == 2


def test_a_node_needs_its_owners_token_and_sane_floors(anyone: Run, ada: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ada("node", "start", "--floor", "cheap").code == 2
    assert ada("node", "start", "--floor=-1").code == 2
    monkeypatch.delenv("NEUROMATION_TOKEN")
    done = anyone("node", "start")
    assert done.code == 4
    assert "owner" in done.err


def test_node_options_reach_the_agent(ada: Run, platform: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    import signal

    from neuromation.agent import main as agent
    from neuromation.kernel.money import Ntk

    met: list[agent.NodeOptions] = []

    def run(options: agent.NodeOptions, *, tell: agent.Tell, stop: object) -> None:
        met.append(options)
        tell("joined", {"node": "node_1", "speed": 0.5})

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    monkeypatch.setattr(agent, "run", run)
    args = [
        "--floor",
        "0.5",
        "--slots",
        "2",
        "--cpu-share",
        "0.5",
        "--stake",
        "25",
        "--idle-command",
        "sleep 9",
        "--max-idle",
        "1",
    ]
    done = ada("node", "start", "--name", "rig-1", *args, "--json")
    for number, handler in before.items():
        signal.signal(number, handler)
    assert done.json() == {"event": "joined", "node": "node_1", "speed": 0.5}
    expected = agent.NodeOptions(
        endpoint=platform.endpoint,
        token="secret-token",
        name="rig-1",
        floor_render=Ntk(500_000),
        slots=2,
        cpu_share=0.5,
        stake=Ntk(25_000_000),
        idle_command="sleep 9",
        max_idle_s=1.0,
    )
    assert met == [expected]


def test_every_kind_of_error_has_a_documented_code() -> None:
    kinds = [
        errors.NotFound,
        errors.Conflict,
        errors.Forbidden,
        errors.Unauthenticated,
        errors.Invalid,
        errors.TooLarge,
    ]
    assert [entry.exit_code(kind("x")) for kind in kinds] == [3, 5, 4, 4, 2, 2]
