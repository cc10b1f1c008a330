"""What one worker gets of a sidecar's settings: pure.

Limits are the whole sidecar's and divided: the workers' shares add up to what the file says, but each worker
takes on one call at least. A last known good is kept even where the file asks for none, for as long as the
sidecar lives: a worker that is started anew then begins with what the others have in force.
"""

import dataclasses

from proxy.settings import Settings
from proxy.workers.place import Place


def share_of(settings: Settings, place: Place, process: int) -> Settings:
    """The settings of the worker at a place, with that process id."""
    return dataclasses.replace(
        settings,
        admin=place.socket(process),
        status="",
        node=f"{settings.node}/{place.number}",
        state_dir=(settings.state_dir or place.directory / "state") / str(place.number),
        in_flight=part(settings.in_flight, place),
        in_flight_per_variant=part(settings.in_flight_per_variant, place),
        mirror_bytes=part(settings.mirror_bytes, place),
        drain_delay=0.0,  # the parent has waited for that
        place=place,
    )


def part(whole: int, place: Place) -> int:
    """One worker's part of a number."""
    return max(1, whole // place.of + (place.number < whole % place.of))
