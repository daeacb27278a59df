"""Buying and following: quote, consent, order, progress, and the exit code of every end."""

from __future__ import annotations

import io
import json

import pytest

from cli.conftest import Run
from client.stand_in_platform import StandIn, a_job, a_quote, an_event, ok, problem, stream

ORDER = ("dataset", "order", "digits", "-n", "2000", "--name", "digits-2k", "--seed", "3")


@pytest.fixture
def shop(platform: StandIn) -> StandIn:
    """A platform on which an order goes well."""
    platform.on("POST", "/quotes", ok(a_quote(), 201))
    platform.on("POST", "/jobs", ok(a_job(state="bidding", bill=None, finished=None), 202))
    events = [
        an_event(1, "state", state="bidding", reason=""),
        an_event(2, "award", price_per_cu="0.9", nodes={"node_1": 3, "node_2": 1}),
        an_event(3, "progress", fraction=0.5, tasks={"accepted": 2}),
        an_event(4, "audit", node="node_1", auditor="node_2", verdict="agrees", units=2),
        an_event(5, "finished", state="settled", reason=""),
    ]
    platform.on("GET", "/jobs/job_1/events", stream(*events))
    platform.on("GET", "/jobs/job_1", ok(a_job()))
    return platform


def test_an_order_with_json_prints_the_finished_job_and_nothing_else(ada: Run, shop: StandIn) -> None:
    done = ada(*ORDER, "--param", "noise=0.5", "--param", "class_weights=null", "--yes", "--json")
    assert done.code == 0
    assert done.json()["result"]["dataset"] == "digits-2k@1"
    order = shop.of("POST", "/quotes")[0].json()["order"]
    assert order["params"] == {"noise": 0.5, "class_weights": None}
    assert (order["kind"], order["units"], order["seed"], order["reserve_per_cu"]) == ("dataset", 2000, 3, None)
    assert shop.of("POST", "/jobs")[0].json() == {"quote": "qte_1"}


def test_progress_goes_to_stderr(ada: Run, shop: StandIn) -> None:
    done = ada(*ORDER, "--yes")
    assert "2 nodes won at 0.9 NTK per CU" in done.err
    assert "50%" in done.err
    assert "audit of node node_1 by node_2: agrees" in done.err
    assert "won" not in done.out


def test_the_bill_is_shown_at_the_end(ada: Run, shop: StandIn) -> None:
    done = ada(*ORDER, "--yes")
    assert "4 tasks, 2 CU" in done.out
    assert "refund" in done.out


def test_a_dry_run_shows_the_quote_in_ntk_and_ordinary_money_and_orders_nothing(ada: Run, shop: StandIn) -> None:
    done = ada(*ORDER, "--dry-run")
    assert done.code == 0
    for part in ("4.2 NTK", "0.50 USD", "compute", "3 could do it now"):
        assert part in done.out
    assert shop.of("POST", "/jobs") == []
    assert ada(*ORDER, "--dry-run", "--json").json()["price_max"] == "4.2"


def test_without_consent_and_without_a_terminal_nothing_is_ordered(
    ada: Run, shop: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    done = ada(*ORDER)
    assert done.code == 2
    assert "add --yes" in done.err
    assert shop.of("POST", "/jobs") == []


class Terminal(io.StringIO):
    """Somebody who types."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("answer", "code", "orders"), [("y\n", 0, 1), ("n\n", 1, 0), ("", 130, 0)])
def test_somebody_at_a_terminal_is_asked(
    ada: Run, shop: StandIn, monkeypatch: pytest.MonkeyPatch, answer: str, code: int, orders: int
) -> None:
    monkeypatch.setattr("sys.stdin", Terminal(answer))
    assert ada(*ORDER).code == code
    assert len(shop.of("POST", "/jobs")) == orders


def test_without_waiting_the_jobs_id_is_the_result(ada: Run, shop: StandIn) -> None:
    assert ada(*ORDER, "--yes", "--no-wait").out == "job_1\n"
    assert ada(*ORDER, "--yes", "--no-wait", "--json").json()["state"] == "bidding"


@pytest.mark.parametrize("state", ["refunded", "cancelled"])
def test_a_job_without_a_result_is_exit_code_7_and_still_printed(ada: Run, shop: StandIn, state: str) -> None:
    shop.on("GET", "/jobs/job_1", ok(a_job(state=state, reason="deadline", message="the deadline passed", result={})))
    done = ada("job", "wait", "job_1", "--json")
    assert done.code == 7
    assert done.json()["state"] == state
    assert json.loads(done.err.splitlines()[-1])["error"]["exit_code"] == 7
    assert f"job job_1 was {state}: the deadline passed" in ada("job", "wait", "job_1").err


def test_waiting_too_long_is_exit_code_124(ada: Run, shop: StandIn) -> None:
    shop.on("GET", "/jobs/job_1/events", stream(an_event(1, "state", state="running"), endless=True))
    done = ada("job", "wait", "job_1", "--timeout", "0.2")
    assert done.code == 124
    assert "it goes on" in done.err


def test_a_balance_too_low_is_exit_code_5_with_the_platforms_sentence(ada: Run, shop: StandIn) -> None:
    shop.on("POST", "/jobs", problem(409, "insufficient-funds", "the account needs 4.2 NTK but has 1; top up"))
    done = ada(*ORDER, "--yes")
    assert (done.code, done.out) == (5, "")
    assert "top up" in done.err


def test_no_feasible_pool_names_the_constraint(ada: Run, shop: StandIn) -> None:
    sentence = "no pool can do it in 10 s: the fastest needs 70 s; allow a deadline of 70 s"
    shop.on("POST", "/quotes", problem(409, "no-feasible-pool", sentence, constraint="deadline"))
    done = ada(*ORDER, "--yes", "--json")
    assert done.code == 5
    error = json.loads(done.err)["error"]
    assert (error["reason"], error["message"], error["details"]["constraint"]) == (
        "no-feasible-pool",
        sentence,
        "deadline",
    )


def test_an_absurd_order_is_refused_before_it_is_sent(ada: Run, platform: StandIn) -> None:
    done = ada("dataset", "order", "digits", "-n", "99999999999", "--name", "x", "--yes")
    assert done.code == 2
    assert "units" in done.err
    assert platform.asked == []


@pytest.mark.parametrize("pair", ["noise", "=3", "noise=1=2x,noise"])
def test_a_parameter_that_is_no_pair_is_shown_an_example(ada: Run, pair: str) -> None:
    done = ada(*ORDER, "--param", pair, "--param", "noise=2")
    assert done.code == 2
    assert "--param" in done.err


def test_events_with_json_are_one_a_line(ada: Run, shop: StandIn) -> None:
    done = ada("job", "events", "job_1", "--json")
    assert [json.loads(line)["seq"] for line in done.out.splitlines()] == [1, 2, 3, 4, 5]
    assert "bidding" in ada("job", "events", "job_1").out


def test_jobs_are_listed_shown_and_cancelled(ada: Run, platform: StandIn) -> None:
    platform.on("GET", "/jobs", ok({"jobs": [a_job(), a_job(id="job_0")], "next_after": None}))
    platform.on("GET", "/jobs/job_1", ok(a_job()))
    platform.on("POST", "/jobs/job_1/cancel", ok(a_job(state="cancelled")))
    assert [job["id"] for job in ada("job", "list", "--limit", "1", "--json").json()["jobs"]] == ["job_1"]
    assert "job_0" in ada("job", "ls").out
    assert "4 accepted" in ada("job", "show", "job_1").out
    assert ada("job", "cancel", "job_1", "--json").json()["state"] == "cancelled"


def test_training_and_the_loop_send_what_was_asked_for(ada: Run, shop: StandIn) -> None:
    args = ["--rounds", "3", "--replicas", "4", "--config", "channels=8", "--yes", "--json"]
    assert ada("model", "train", "digits-2k@1", "--name", "net", *args).code == 0
    loop = ["--real", "real-digits", "--name", "tuned", "--trials", "4", "-n", "500", "--yes"]
    assert ada("model", "adapt", "digits", *loop, "--json").code == 0
    train, adapt = (asked.json()["order"] for asked in shop.of("POST", "/quotes"))
    assert (train["kind"], train["dataset"], train["replicas"], train["config"]) == (
        "training",
        "digits-2k@1",
        4,
        {"channels": 8},
    )
    assert (adapt["kind"], adapt["real"], adapt["trials"], adapt["units"]) == ("adaptation", "real-digits", 4, 500)


def test_an_evaluation_shows_accuracy_interval_and_confusion(ada: Run, shop: StandIn) -> None:
    result = {
        "accuracy": 0.95,
        "accuracy_interval": [0.93, 0.97],
        "units": 40,
        "classes": ["cat", "dog"],
        "confusion": [[19, 1], [1, 19]],
        "per_class": [{"name": "cat", "precision": 0.95, "support": 20}],
    }
    shop.on("GET", "/jobs/job_1", ok(a_job(kind="evaluation", result=result)))
    done = ada("model", "evaluate", "net", "real-digits")
    assert done.code == 0
    for part in ("0.9500", "0.9300 to 0.9700", "cat", "19"):
        assert part in done.out
    assert shop.of("POST", "/quotes")[0].json()["order"]["split"] == "test"


def test_an_evaluation_of_a_detector_shows_its_figures_with_their_intervals(ada: Run, shop: StandIn) -> None:
    figures = {"map50": [0.75, 0.7, 0.8], "false_alarms": [None, None, None]}
    row = {"name": "die", "support": 31, "figures": {"ap50": [0.6125, 0.5, 0.7]}}
    result = {"headline": "map50", "samples": 40, "figures": figures, "per_class": [row]}
    shop.on("GET", "/jobs/job_1", ok(a_job(kind="evaluation", result=result)))
    done = ada("model", "evaluate", "net", "photos")
    assert done.code == 0
    for part in ("map50", "0.7500", "0.8000", "die", "31", "0.6125"):
        assert part in done.out


def test_the_loop_ends_with_the_command_that_orders_with_its_parameters(ada: Run, shop: StandIn) -> None:
    result = {"best_params": {"noise": 0.25, "class_weights": None}, "best_accuracy": 0.97, "baseline_accuracy": 0.95}
    shop.on("GET", "/jobs/job_1", ok(a_job(kind="adaptation", result=result)))
    done = ada("model", "adapt", "digits", "--real", "real-digits", "--name", "tuned", "--yes")
    assert "best accuracy" in done.out
    assert "dataset order digits --param class_weights=null --param noise=0.25 -n" in done.err
