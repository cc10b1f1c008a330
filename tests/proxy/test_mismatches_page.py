import json

from proxy.admin import Doors, admin_app, status_app
from proxy.stats.ledger import Ledger
from proxy.stats.records import PER_OUTCOME, Record


def record(number: int, outcome: str = "mismatch_values") -> Record:
    return Record(float(number), "r", "v1", "v2", "1", "2", outcome, reason=str(number))


async def page(app, path):
    sent = []

    async def send(message):
        sent.append(message)

    await app({"type": "http", "path": path, "method": "GET", "headers": []}, None, send)
    return sent[0]["status"], sent[1]["body"]


async def test_the_last_mismatches_are_shown_newest_first_and_on_the_admin_door_only():
    ledger = Ledger(mismatches=2)
    for number in range(4):
        ledger.record(record(number))
    ledger.record(record(9, "deadline"))
    ledger.record(record(9, "match"))
    doors = Doors(None, None, lambda: False, lambda: None, ledger.mismatches)
    status, body = await page(admin_app(doors), "/mismatches")
    assert (status, [one["reason"] for one in json.loads(body)["mismatches"]]) == (200, ["3", "2"])
    assert (await page(status_app(doors), "/mismatches"))[0] == 404


def test_a_window_keeps_so_many_records_of_each_outcome():
    ledger = Ledger()
    for number in range(PER_OUTCOME + 5):
        ledger.record(record(number))
    ledger.record(record(0, "match"))
    assert len(ledger.take_window().records.kept) == PER_OUTCOME + 1
