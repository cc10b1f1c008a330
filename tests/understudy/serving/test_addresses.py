import pytest
from understudy.serving.addresses import join_address, parse_address


@pytest.mark.parametrize(
    ("text", "address"),
    [("127.0.0.1:7081", ("127.0.0.1", 7081)), ("[::1]:0", ("::1", 0)), ("localhost:80", ("localhost", 80))],
)
def test_an_address_and_back(text, address):
    assert parse_address(text) == address
    assert join_address(*address) == text


@pytest.mark.parametrize("text", ["unix:/run/a.sock", "ipv4:10.0.0.1:80", "7081", "", "a:b", "::1:80"])
def test_what_is_no_host_and_port(text):
    with pytest.raises(ValueError, match="must"):
        parse_address(text)
