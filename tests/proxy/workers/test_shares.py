"""What each worker gets of a sidecar's settings."""

import pathlib

from hypothesis import given
from hypothesis import strategies as st
from understudy.v1.service_pb2 import Service, Variant
from understudy.v1.sidecar_pb2 import Limits, Sidecar

from proxy.settings import settings_of
from proxy.workers.place import Place
from proxy.workers.shares import part, share_of

SERVICE = Service(name="fraud", variants=[Variant(name="v1", target="a:1")])


@given(st.integers(0, 10**10), st.integers(1, 64))
def test_the_parts_add_up_to_the_whole_and_none_is_without(whole, of):
    parts = [part(whole, Place(number, of)) for number in range(of)]
    assert min(parts) >= 1
    assert sum(parts) == max(whole, of) if whole >= of or whole == 0 else sum(parts) == of
    assert max(parts) - min(parts) <= 1


def test_each_is_a_sidecar_of_its_own():
    file = Sidecar(
        service=SERVICE,
        workers=2,
        node="pod-a",
        state_dir="/state",
        limits=Limits(in_flight=5, in_flight_per_variant=2, mirror_bytes=100),
    )
    place = Place(1, 2, pathlib.Path("/run/x"))
    share = share_of(settings_of(file, "host"), place, 77)
    assert (share.node, share.state_dir) == ("pod-a/1", pathlib.Path("/state/1"))
    assert (share.in_flight, share.in_flight_per_variant, share.mirror_bytes) == (2, 1, 50)
    assert (share.admin, share.status) == ("unix:/run/x/77.sock", "")
    assert (share.place, share.service) == (place, SERVICE)
    without = share_of(settings_of(Sidecar(service=SERVICE), "host"), place, 77)
    assert without.state_dir == pathlib.Path("/run/x/state/1")
