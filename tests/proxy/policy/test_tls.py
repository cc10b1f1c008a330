from understudy.v1.service_pb2 import Variant
from understudy.v1.sidecar_pb2 import ListenTls

from proxy.policy.tls import Files, VariantTls, listen_files, variant_tls


def test_a_variant_without_the_field_is_plain_text() -> None:
    assert variant_tls(Variant(name="v1")) is None
    assert variant_tls(Variant(name="v1", tls={})) == VariantTls(Files())


def test_what_is_named_is_taken_over() -> None:
    tls = {"ca": "a", "server_name": "s", "certificate": "c", "key": "k"}
    assert variant_tls(Variant(tls=tls)) == VariantTls(Files("c", "k", "a"), "s")
    assert listen_files(ListenTls(certificate="c", key="k")) == Files("c", "k")
    assert listen_files(ListenTls(certificate="c", key="k", client_ca="a")).named == ("c", "k", "a")
