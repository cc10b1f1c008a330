"""HPACK, decoding: stretches of references to the tables, remembered as long as they mean the same.

gRPC's clients put every new deadline into the table, and each entry shifts the numbers of all others. So
the bytes of a stretch are written anew by what does not shift: an entry's place in the order of all that ever
came, modulo 130. Bytes reach back 65 entries, and what is remembered is forgotten after 65 new ones, so that
no two entries share a place; whether the oldest of a stretch is still in the table is for the decoder to see.
"""

import sys
from typing import NamedTuple

from proxy.http2.fields import Run

FLEETING = frozenset({"grpc-timeout"})
"""Names of fields that clients put into the table though most calls have another value: each is a run by
itself, so that what stands around it stays the same run.
"""

_MOST = 128
"""That are remembered of a peer; forgotten whole where it is full."""

_FIRST_DYNAMIC = 0xBE
_REACH = 65
"""Entries of the dynamic table that one byte can refer to: the bytes from 0xbe to 0xfe."""
_PLACES = 2 * _REACH


def _places(inserted: int) -> bytes:
    """A translation of references into places; `inserted` entries came in all.

    References to the static table, 0x81 to 0xbd, stay what they are: places are the bytes beside those.
    """
    table = bytearray(range(256))
    for age in range(_REACH):
        place = (inserted - 1 - age) % _PLACES
        table[_FIRST_DYNAMIC + age] = place if place < 0x81 else place - 0x81 + _FIRST_DYNAMIC
    return bytes(table)


_TO_PLACES = tuple(_places(inserted) for inserted in range(_PLACES))


class Stretch(NamedTuple):
    """What a stretch of references says."""

    runs: tuple[Run, ...]
    size: int  # as the table counts it
    fields: int
    oldest: int  # of its entries, by its number


class Stretches:
    """Those of one connection; `to_places` translates references, and `known` is by what that gives."""

    __slots__ = ("_inserted", "_runs", "known", "to_places")

    def __init__(self) -> None:
        self.to_places = _TO_PLACES[0]
        self.known: dict[bytes, Stretch] = {}
        self._inserted = 0  # entries that ever came
        self._runs: dict[bytes, Run] = {}

    def __repr__(self) -> str:
        return f"<Stretches {len(self.known)} of {len(self._runs)} runs>"

    def moved(self, inserted: int) -> None:
        """The table has one entry more; so many came in all."""
        self._inserted = inserted
        self.to_places = _TO_PLACES[inserted % _PLACES]
        if inserted % _REACH == 0:
            self.known.clear()
            self._runs.clear()

    def learn(self, references: bytes, places: bytes, entries: list[Run]) -> Stretch:
        """A stretch that is not known, by its entries; what it consists of may be."""
        runs: list[Run] = []
        begun = 0
        for at, entry in enumerate(entries):
            if entry.fields[0][0] in FLEETING:
                runs += self._joined(entries[begun:at], places[begun:at])
                runs.append(entry)
                begun = at + 1
        runs += self._joined(entries[begun:], places[begun:])
        last = max(references)
        oldest = self._inserted - 1 - (last - _FIRST_DYNAMIC) if last >= _FIRST_DYNAMIC else sys.maxsize
        if len(self.known) >= _MOST:
            self.known.clear()
        made = self.known[places] = Stretch(tuple(runs), sum(run.size for run in runs), len(entries), oldest)
        return made

    def _joined(self, entries: list[Run], places: bytes) -> list[Run]:
        """Entries as one run, which is the same whenever they are."""
        if len(entries) < 2:
            return entries
        run = self._runs.get(places)
        if run is None:
            if len(self._runs) >= _MOST:
                self._runs.clear()
            run = self._runs[places] = Run(tuple(one for entry in entries for one in entry.fields))
        return [run]
