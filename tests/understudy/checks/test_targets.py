import pytest
from hypothesis import given
from hypothesis import strategies as st
from understudy.checks.targets import check_listen, check_target, parse_target


@pytest.mark.parametrize(
    ("text", "as_grpc_takes_it"),
    [
        ("127.0.0.1:8001", "dns:///127.0.0.1:8001"),
        ("fraud-v2:8001", "dns:///fraud-v2:8001"),
        ("model_a.ns.svc.cluster.local.:80", "dns:///model_a.ns.svc.cluster.local.:80"),
        ("[::1]:8001", "dns:///[::1]:8001"),
        ("dns:///fraud-v2:8001", "dns:///fraud-v2:8001"),
        ("dns:fraud-v2:8001", "dns:///fraud-v2:8001"),
        ("dns:///[::1]:8001", "dns:///[::1]:8001"),
        ("unix:/run/a.sock", "unix:/run/a.sock"),
        ("unix:///run/a.sock", "unix:/run/a.sock"),
        ("unix:a.sock", "unix:a.sock"),
        ("ipv4:10.0.0.1:80", "ipv4:10.0.0.1:80"),
        ("ipv4:10.0.0.1:80,10.0.0.2:81", "ipv4:10.0.0.1:80,10.0.0.2:81"),
        ("ipv6:[::1]:80, [fe80::1]:81", "ipv6:[::1]:80,[fe80::1]:81"),
    ],
)
def test_a_target(text, as_grpc_takes_it):
    assert check_target(text, "t") == []
    assert parse_target(text).text == as_grpc_takes_it
    assert parse_target(as_grpc_takes_it).text == as_grpc_takes_it


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "is required"),
        ("fraud", "must be host:port"),
        (":8001", "must be host:port with a host name or an IP address"),
        ("a b:80", "must be host:port with a host name or an IP address"),
        ("-a:80", "must be host:port with a host name or an IP address"),
        ("a..b:80", "must be host:port with a host name or an IP address"),
        ("a\n:80", "must be host:port with a host name or an IP address"),
        ("a" * 254 + ":80", "must be host:port with a host name or an IP address"),
        ("fraud:", "must have a port from 1 to 65535"),
        ("fraud:http", "must have a port from 1 to 65535"),
        ("fraud:65536", "must have a port from 1 to 65535"),
        ("fraud:-1", "must have a port from 1 to 65535"),
        ("fraud:٣", "must have a port from 1 to 65535"),
        ("fraud:0", "must have a port from 1 to 65535"),
        ("fraud:80\n", "must have a port from 1 to 65535"),
        ("ipv4:10.0.0.1:0", "must have a port from 1 to 65535"),
        ("::1:8001", "must have an IPv6 address in brackets"),
        ("[10.0.0.1]:80", "must have an IPv6 address"),
        ("[::g]:80", "must have an IPv6 address"),
        ("ipv4:fraud:80", "must have an IPv4 address"),
        ("ipv4:10.0.0.1:80,", "must be ipv4:address:port"),
        ("ipv4:", "must be ipv4:address:port"),
        ("ipv6:10.0.0.1:80", "must have an IPv6 address"),
        ("unix:", "must name a socket's path"),
        ("unix://a.sock", "must name a socket's path"),
        ("unix:/" + "a" * 107, "must be at most 107 bytes of path"),
        ("dns://8.8.8.8/fraud:80", "a DNS server of its own is not supported: write dns:///fraud:80"),
        ("dns:///", "must be host:port"),
        ("dns:fraud", "must be host:port"),
        (
            "http://fraud:80",
            "scheme 'http' is not known: use host:port, dns:///host:port, unix:/path or ipv4:",
        ),
        ("xds:///fraud", "scheme 'xds' is not known"),
    ],
)
def test_what_is_no_target_says_what_is(text, why):
    (found,) = check_target(text, "variants[0].target")
    assert found.field == "variants[0].target"
    assert found.description.startswith(why)
    assert not text or found.description.endswith(f"got {text!r}")


@given(
    st.text(max_size=40)
    | st.from_regex(r"(dns|unix|ipv4|ipv6|a)?(:|//|/|\[::1\]|,|80|a|\.){0,8}", fullmatch=True)
)
def test_any_text_is_a_target_or_has_one_thing_wrong_with_it(text):
    violations = check_target(text, "t")
    assert len(violations) <= 1
    if not violations:
        assert check_target(parse_target(text).text, "t") == []


@pytest.mark.parametrize("text", ["127.0.0.1:0", "0.0.0.0:7070", "[::]:7070", "localhost:80"])
def test_an_address_to_listen_on(text):
    assert check_listen(text, "listen") == check_listen(text, "listen", unix=True) == []


def test_a_socket_can_be_listened_on_only_by_those_that_can():
    assert check_listen("unix:/run/a.sock", "listen", unix=True) == []
    (found,) = check_listen("unix:/run/a.sock", "admin")
    assert str(found) == "admin: must be host:port, got 'unix:/run/a.sock'"


@pytest.mark.parametrize(
    "text", ["dns:///a:80", "ipv4:10.0.0.1:80", "ipv6:[::1]:80", "7070", ":7070", "a:99999", "a"]
)
def test_what_cannot_be_listened_on(text):
    for unix in (False, True):
        (found,) = check_listen(text, "listen", unix=unix)
        assert found.description.startswith("must ")
        assert repr(text) in found.description
