"""A file that is right or is not used: real files in a real directory."""

import hashlib
import pathlib
import resource
import subprocess
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from understudy.v1.discovery_pb2 import Snapshot
from understudy.v1.service_pb2 import Service

from proxy.config.last_known_good import LastKnownGood, Unusable


def a_snapshot(version: int = 1, name: str = "fraud") -> Snapshot:
    service = Service(name=name, variants=[{"name": "v1", "target": "a:1", "version": "1.0.0"}])
    return Snapshot(epoch=3, version=version, service=service, rollout="r")


@pytest.fixture
def kept(tmp_path: pathlib.Path) -> LastKnownGood:
    known = LastKnownGood(tmp_path / "state", "fraud")
    known.prepare()
    return known


def names_in(directory: pathlib.Path) -> list[str]:
    return [path.name for path in directory.iterdir()]


def with_header(body: bytes) -> bytes:
    return b"understudy-snapshot-1 " + hashlib.sha256(body).hexdigest().encode() + b"\n" + body


def test_what_was_saved_is_loaded(kept):
    kept.save(a_snapshot(7))
    assert kept.load() == a_snapshot(7)
    assert LastKnownGood(kept.path.parent, "fraud").load() == a_snapshot(7)
    kept.save(a_snapshot(8))
    assert kept.load() == a_snapshot(8)
    assert names_in(kept.path.parent) == ["fraud.snapshot"]


def test_no_file_is_no_snapshot(tmp_path):
    assert LastKnownGood(tmp_path / "never-made", "fraud").load() is None


def test_each_service_has_a_file_of_its_own(kept):
    other = LastKnownGood(kept.path.parent, "other")
    kept.save(a_snapshot())
    other.save(a_snapshot(9, "other"))
    assert (kept.load(), other.load()) == (a_snapshot(), a_snapshot(9, "other"))


def test_the_newest_of_all_workers_is_started_from(kept):
    root = kept.path.parent
    workers = [LastKnownGood(root / number, "fraud", root) for number in ("0", "1", "2")]
    for worker, version in zip(workers[:2], (4, 6), strict=True):
        worker.prepare()
        worker.save(a_snapshot(version))
    kept.save(a_snapshot(5))
    assert [one.load() for one in (kept, *workers)] == [a_snapshot(6)] * 4
    workers[1].path.write_bytes(b"cut sho")
    assert [one.load() for one in (kept, *workers)] == [a_snapshot(5)] * 4


def test_preparing_makes_the_directory_and_leaves_nothing_in_it(tmp_path):
    known = LastKnownGood(tmp_path / "a" / "b", "fraud")
    known.prepare()
    known.prepare()
    assert names_in(tmp_path / "a" / "b") == []


def test_a_directory_that_cannot_be_had_is_an_error_before_it_is_needed(tmp_path):
    (tmp_path / "file").write_text("in the way")
    for directory in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(OSError, match=r"exists|Not a directory"):
            LastKnownGood(directory, "fraud").prepare()


def test_a_read_only_file_system_is_an_error_before_it_is_needed():
    with pytest.raises(OSError, match=r"."):
        LastKnownGood(pathlib.Path("/proc/understudy-state"), "fraud").prepare()


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "its checksum does not fit, it was cut short or changed"),
        (b"rubbish", "its checksum does not fit"),
        (with_header(a_snapshot().SerializeToString())[:-1], "its checksum does not fit"),
        (with_header(a_snapshot().SerializeToString()) + b"\0", "its checksum does not fit"),
        (with_header(b"x").replace(b"snapshot-1", b"snapshot-2"), "its checksum does not fit"),
        (with_header(b"\xff\xff"), "is not a snapshot"),
        (with_header(b""), "is of service '', not 'fraud'"),
        (with_header(a_snapshot(1, "other").SerializeToString()), "is of service 'other', not 'fraud'"),
    ],
)
def test_a_file_that_does_not_check_out_is_never_used(kept, data, why):
    kept.path.write_bytes(data)
    with pytest.raises(Unusable) as caught:
        kept.load()
    assert str(caught.value).startswith(f"{kept.path}: {why}")
    assert len(str(caught.value).splitlines()) == 1
    kept.save(a_snapshot())
    assert kept.load() == a_snapshot()


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_one_byte_changed_or_cut_off_is_noticed(kept, data):
    kept.save(a_snapshot())
    whole = kept.path.read_bytes()
    at = data.draw(st.integers(0, len(whole) - 1))
    changed = bytes([whole[at] ^ data.draw(st.integers(1, 255))])
    for damaged in (whole[:at] + changed + whole[at + 1 :], whole[:at]):
        kept.path.write_bytes(damaged)
        with pytest.raises(Unusable):
            kept.load()


def test_a_file_that_cannot_be_read_says_why(kept, tmp_path):
    kept.path.mkdir()
    with pytest.raises(Unusable, match="cannot be read: Is a directory"):
        kept.load()
    (tmp_path / "file").write_text("")
    with pytest.raises(Unusable, match="cannot be read: Not a directory"):
        LastKnownGood(tmp_path / "file", "fraud").load()


def test_a_link_to_itself_cannot_be_read_either(kept):
    kept.path.symlink_to(kept.path)
    with pytest.raises(Unusable, match="cannot be read"):
        kept.load()


def test_a_save_that_fails_at_the_end_leaves_the_old_file_and_nothing_else(kept):
    kept.path.mkdir()
    (kept.path / "old").write_text("old")
    with pytest.raises(OSError, match="directory"):
        kept.save(a_snapshot())
    assert names_in(kept.path.parent) == ["fraud.snapshot"]
    assert (kept.path / "old").read_text() == "old"


FULL_DISK = """
import pathlib, resource, signal, sys
from understudy.v1.discovery_pb2 import Snapshot
from proxy.config.last_known_good import LastKnownGood
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
kept = LastKnownGood(pathlib.Path(sys.argv[1]), "fraud")
snapshot = kept.load()
snapshot.rollout = "x" * 100_000
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    kept.save(snapshot)
except OSError as error:
    sys.exit(f"refused: {error.strerror}")
"""


def test_a_save_that_fails_half_written_leaves_the_old_file_and_nothing_else(kept):
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY
    kept.save(a_snapshot(7))
    ended = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(kept.path.parent)], check=False, capture_output=True, text=True
    )
    assert (ended.returncode, ended.stderr.strip()) == (1, "refused: File too large")
    assert kept.load() == a_snapshot(7)
    assert names_in(kept.path.parent) == ["fraud.snapshot"]


def test_a_reader_sees_the_old_or_the_new_file_never_a_part(kept):
    kept.save(a_snapshot(1))
    with kept.path.open("rb") as old:
        kept.save(a_snapshot(2))
        assert old.read() == with_header(a_snapshot(1).SerializeToString(deterministic=True))
    assert kept.load() == a_snapshot(2)


def test_the_file_is_for_its_owner_only(kept):
    kept.save(a_snapshot())
    assert kept.path.stat().st_mode & 0o077 == 0
