"""The credentials of one sidecar: loaded when a configuration asks for them, and looked after from then on.

loaded ── its files change ──▶ tried ── they can be used ──▶ new connections use them
▲                  │
└── one line in the log: what there was stays ◀── they cannot
"""

import asyncio
import logging
from collections.abc import Iterable
from dataclasses import dataclass

from understudy.checks import Violation

from proxy.policy.table import Table
from proxy.policy.tls import Files, VariantTls
from proxy.tls.identity import Identity, Side, Unusable, read, signature

LOOK = 2.0
"""Seconds between two looks at the files."""

_log = logging.getLogger(__name__)


class Refused(Exception):
    """A table whose files cannot be used; nothing of it is in force."""

    def __init__(self, violations: list[Violation]) -> None:
        super().__init__("; ".join(map(str, violations)))
        self.violations = violations


class Credential:
    """What some files hold, as far as it could be used."""

    def __init__(self, files: Files, side: Side) -> None:
        self.files = files
        self.version = 1  # rises with `identity`
        self._side = side
        self._seen = self._tried = signature(files)
        self.identity: Identity = read(files, side)
        self._renewed = asyncio.Event()

    def __repr__(self) -> str:
        return f"<Credential {self.files} version {self.version}>"

    async def newer_than(self, version: int) -> None:
        """Until there is another."""
        while self.version <= version:
            await self._renewed.wait()

    async def look(self) -> None:
        """Take the files up if they have changed and do not any more."""
        now = await asyncio.to_thread(signature, self.files)
        before, self._seen = self._seen, now
        if now == self._tried or now != before:
            return
        self._tried = now
        try:
            self.identity = await asyncio.to_thread(read, self.files, self._side)
        except Unusable as unusable:
            extra = {"field": unusable.field, "reason": str(unusable)}
            _log.error("new TLS files cannot be used, the ones before stay", extra=extra)  # no bug of ours
            return
        self.version += 1
        self._renewed.set()
        self._renewed = asyncio.Event()
        _log.info("TLS files renewed", extra={"files": list(self.files.named)})


@dataclass(frozen=True, slots=True)
class Security:
    """How a model server is connected to: with whose files, and whose certificate is expected."""

    credential: Credential
    server_name: str


class Keyring:
    """The credentials in use; looks after them from the first on, until closed."""

    def __init__(self, tasks: asyncio.TaskGroup) -> None:
        self._tasks = tasks
        self._watching: asyncio.Task[None] | None = None
        self._listening: Credential | None = None
        self._models: dict[Files, Credential] = {}

    def __repr__(self) -> str:
        return f"<Keyring {self._listening} {list(self._models.values())}>"

    def listen(self, files: Files) -> Credential:
        """The data port's; raises Refused."""
        try:
            self._listening = Credential(files, Side.CALLERS)
        except Unusable as unusable:
            field = "client_ca" if unusable.field == "ca" else unusable.field
            raise Refused([Violation(f"tls.{field}", str(unusable))]) from None
        self._watch()
        return self._listening

    def take(self, table: Table) -> None:
        """Load what a table needs, and forget what no table needs any more; raises Refused."""
        taken: dict[Files, Credential] = {}
        violations = []
        for index, variant in enumerate(table.variants.values()):
            files = variant.tls.files if variant.tls else None
            if files is None or files in taken:
                continue
            try:
                taken[files] = self._models.get(files) or Credential(files, Side.MODELS)
            except Unusable as unusable:
                field = f"service.variants[{index}].tls.{unusable.field}"
                violations.append(Violation(field, str(unusable)))
        if violations:
            raise Refused(violations)
        self._models = taken
        if taken:
            self._watch()

    def security(self, tls: VariantTls | None) -> Security | None:
        """Of a variant of the table that was taken last; None where it is plain text."""
        return None if tls is None else Security(self._models[tls.files], tls.server_name)

    def close(self) -> None:
        """Look no more."""
        if self._watching is not None:
            self._watching.cancel()

    def _watch(self) -> None:
        if self._watching is None:
            self._watching = self._tasks.create_task(self._look(), name="TLS files")

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(LOOK)
            for credential in self._in_use():
                await credential.look()

    def _in_use(self) -> Iterable[Credential]:
        return (*((self._listening,) if self._listening else ()), *self._models.values())
