import pytest
from google.protobuf.duration_pb2 import Duration
from understudy.checks.control import check_control, check_notify
from understudy.v1.control_pb2 import Control, Notify


def test_a_full_control_file_and_an_empty_one_are_right():
    control = Control(
        listen="0.0.0.0:7080",
        http="127.0.0.1:0",
        store="sqlite:////var/lib/understudy/understudy.db",
        min_acked=0.9,
        ack_timeout=Duration(seconds=60),
        notify=[Notify(url="https://hooks.example/x?y=1", events=["phase", "rollback"])],
        trace_url="https://traces.example/{trace_id}",
    )
    assert check_control(control) == check_control(Control()) == []


@pytest.mark.parametrize(
    ("control", "problem"),
    [
        (Control(listen="7080"), "listen: must be host:port, got '7080'"),
        (Control(listen="unix:/run/a.sock"), "listen: must be host:port, got 'unix:/run/a.sock'"),
        (Control(http="a:http"), "http: must have a port from 1 to 65535, got 'a:http'"),
        (Control(store="postgres://x"), "store: must be sqlite:///PATH, got 'postgres://x'"),
        (Control(store="sqlite:///"), "store: must name a file, as sqlite:///understudy.db"),
        (Control(store="sqlite:///:memory:"), "store: must name a file, as sqlite:///understudy.db"),
        (
            Control(store="sqlite:///a.db?mode=ro"),
            "store: must be sqlite:///PATH and no more, got 'sqlite:///a.db?mode=ro'",
        ),
        (Control(min_acked=1.5), "min_acked: must be from 0 to 1, got 1.5"),
        (Control(min_acked=float("nan")), "min_acked: must be a finite number, got nan"),
        (Control(ack_timeout=Duration()), "ack_timeout: must be longer than 0s, got 0s"),
        (Control(trace_url="https://traces.example/"), "trace_url: must have {trace_id} in it"),
        (Control(notify=[Notify()]), "notify[0].url: must be an http:// or https:// address, got ''"),
    ],
    ids=str,
)
def test_a_broken_rule(control, problem):
    assert [str(one) for one in check_control(control)] == [problem]
    assert [one.field for one in check_control(control, "control")] == [
        "control." + problem.partition(":")[0]
    ]


@pytest.mark.parametrize(
    "url", ["", "hooks.example/x", "ftp://a/b", "http://", "http:///x", "file:///etc/passwd"]
)
def test_a_webhook_is_http(url):
    (found,) = check_notify(Notify(url=url), "notify[2]")
    assert str(found) == f"notify[2].url: must be an http:// or https:// address, got {url!r}"


@pytest.mark.parametrize(
    "url", ["http://[::1", "http://[x]/", "http://a:99999/", "http://a:b/", "http://a b/", "http://a\nb/"]
)
def test_an_address_that_does_not_parse_is_a_violation_not_a_crash(url):
    (found,) = check_notify(Notify(url=url), "notify[0]")
    assert found.field == "notify[0].url"


def test_an_event_is_one_of_three():
    found = check_notify(Notify(url="http://a", events=["phase", "stages", ""]), "n")
    assert [str(one) for one in found] == [
        "n.events[1]: must be one of phase, stage, rollback, got 'stages'",
        "n.events[2]: must be one of phase, stage, rollback, got '(empty)'",
    ]


def test_an_audit_is_kept_as_long_as_its_evidence():
    control = Control()
    control.keep_audit.seconds = 3600
    assert [str(found) for found in check_control(control)] == [
        "keep_audit: must not be shorter than keep_evidence, which is 168h"
    ]
    control.keep_evidence.seconds = 3600
    assert check_control(control) == []
