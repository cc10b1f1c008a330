import pytest
from google.protobuf import text_format
from understudy.checks.service import check_service
from understudy.checks.sidecar import check_sidecar
from understudy.loading import InvalidFile, load_checked
from understudy.v1.service_pb2 import Service
from understudy.v1.sidecar_pb2 import Sidecar

FILE = """kind: Sidecar
tls: {certificate: /certs/tls.crt, key: /certs/tls.key, client_ca: /certs/ca.crt}
service:
  name: fraud
  variants:
    - {name: v1, target: "models:8001", tls: {}}
    - name: v2
      target: unix:/run/v2.sock
      tls: {ca: /certs/ca.crt, server_name: models.internal, certificate: /certs/tls.crt, key: /certs/tls.key}
"""


def a_variant(target: str, tls: str) -> Service:
    text = f'name: "a" variants {{ name: "v" target: "{target}" tls {{ {tls} }} }}'
    return text_format.Parse(text, Service())


def a_sidecar(tls: str) -> Sidecar:
    return text_format.Parse(f'control: "a:1" subscribe: "a" tls {{ {tls} }}', Sidecar())


def test_a_file_with_all_of_it_loads(tmp_path):
    path = tmp_path / "sidecar.yaml"
    path.write_text(FILE)
    sidecar = load_checked(path, "Sidecar", check_sidecar)
    assert sidecar.tls.client_ca == "/certs/ca.crt"
    assert sidecar.service.variants[0].HasField("tls")
    assert sidecar.service.variants[1].tls.server_name == "models.internal"


def test_a_field_that_there_is_not_is_named(tmp_path):
    path = tmp_path / "sidecar.yaml"
    path.write_text(FILE.replace("client_ca", "ca"))
    with pytest.raises(InvalidFile) as raised:
        load_checked(path, "Sidecar", check_sidecar)
    assert raised.value.problems == [
        f"{path}:2: tls.ca: is not a field here; there are: certificate, key, client_ca"
    ]


@pytest.mark.parametrize(
    ("target", "tls", "problems"),
    [
        ("a:1", "", []),
        ("a:1", 'server_name: "10.0.0.1"', []),
        ("unix:/run/a.sock", 'server_name: "::1"', []),
        (
            "unix:/run/a.sock",
            "",
            ["server_name: is required where the target is a unix socket: whose certificate to expect"],
        ),
        ("a:1", 'certificate: "c"', ["key: is required where certificate is set"]),
        ("a:1", 'key: "k"', ["certificate: is required where key is set"]),
        (
            "a:1",
            'server_name: "no name"',
            ["server_name: must be a host name or an IP address, got 'no name'"],
        ),
        (
            "a:1",
            'ca: "a\\nb"',
            ["ca: must be a file's path, of at most 4096 printable characters"],
        ),
    ],
)
def test_a_variant(target, tls, problems):
    found = check_service(a_variant(target, tls))
    assert [str(one) for one in found] == [f"variants[0].tls.{problem}" for problem in problems]


def test_a_broken_target_is_told_once():
    assert [one.field for one in check_service(a_variant("unix:", ""))] == ["variants[0].target"]


@pytest.mark.parametrize(
    ("tls", "problems"),
    [
        ('certificate: "c" key: "k"', []),
        ('certificate: "c"', ["tls.key: is required: a PEM file"]),
        ("", ["tls.certificate: is required: a PEM file", "tls.key: is required: a PEM file"]),
    ],
)
def test_the_data_port(tls, problems):
    assert [str(one) for one in check_sidecar(a_sidecar(tls))] == problems
