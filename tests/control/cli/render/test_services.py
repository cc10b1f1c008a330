from control.cli.render.services import render_service, render_services, render_sidecars, render_slots
from tests.support.statuses import NOW, service_status, sidecar_statuses


def test_a_service_shows_its_variants_figures_and_na_where_nothing_was_seen():
    lines = render_service(service_status(), NOW)

    assert (
        "  v1       1.0.0    127.0.0.1:8001        3 of 3   95.0/s  0.04%   12ms  88ms  0/s     n/a" in lines
    )
    assert (
        "  v2       2.0.0    dns:///fraud-v2:8001  2 of 3   0/s     n/a     n/a   n/a   5.00/s  98%" in lines
    )
    assert (
        "  v3       -        unix:/run/v3.sock     n/a      n/a     n/a     n/a   n/a   n/a     n/a" in lines
    )


def test_a_service_shows_its_routes_shares_whatever_the_weights_add_up_to():
    lines = render_service(service_status(), NOW)

    assert "  testers  canary = true  v2 100%        -" in lines
    assert "  predict  every call     v1 95%, v2 5%  v3 50%" in lines


def test_defaults_are_worked_out():
    status = service_status()
    status.service.stable = ""

    assert "  stable    v1" in render_service(status, NOW)


def test_lists_have_a_row_each_and_empty_ones_say_what_to_do():
    assert render_services([service_status()], NOW)[1] == (
        "fraud  v1      v1, v2, v3  fraud-v2  3.17      1h 12m ago"
    )
    assert "understudy service apply" in render_services([], NOW)[0]
    assert "sidecar.yaml" in render_sidecars([], NOW)[0]


def test_slots_show_which_one_takes_the_traffic():
    assert render_slots("fraud", service_status().slots, "by snapshot 3.18") == [
        "fraud: v1 takes the traffic, by snapshot 3.18",
        "  SLOT  VERSION  STATE   DEPLOYED",
        "  v1    1.0.0    active  2026-01-01 00:00:00Z",
        "  v2    2.0.0    idle    2026-01-01 00:00:00Z",
    ]


def test_sidecars_show_what_they_run_and_why_they_refused():
    assert render_sidecars(sidecar_statuses(), NOW) == [
        "NODE   SERVICE  CONNECTED  RUNS  SENT  ANSWER  ANSWERED     REPORTED",
        "pod-a  fraud    yes        3.17  3.17  ack     10m 05s ago  1s ago",
        "pod-b  fraud    no         3.16  3.17  nack    -            -",
        "",
        "pod-b refused the snapshot: routes[0].name: is required",
    ]
