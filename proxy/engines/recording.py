"""What is kept of a copy that was compared, or of one that the shadow did not answer."""

import time

from proxy.compare.answers import Comparison
from proxy.engines.copies import Copy
from proxy.stats.records import Prediction, Record


def record(copy: Copy, found: Comparison, outcome: str, predictions: tuple[str, str] = ("", "")) -> Record:
    """Two answers and how they differ; `predictions` primary first."""
    primary, shadow = copy.call.variant, copy.mirror.variant
    return Record(
        time=time.time(),
        route=copy.call.route.name,
        primary=primary.name,
        shadow=shadow.name,
        primary_version=primary.version,
        shadow_version=shadow.version,
        outcome=outcome,
        output=found.output,
        reason=found.reason,
        max_absolute=found.max_absolute,
        max_relative=found.max_relative,
        primary_latency=copy.primary_latency,
        shadow_latency=copy.shadow_latency,
        primary_prediction=predictions[0],
        shadow_prediction=predictions[1],
        noise=bool(copy.mirror.noise_of),
        trace_id=copy.trace_id,
    )


def prediction(copy: Copy, predictions: tuple[str, str]) -> Prediction:
    """What both predicted, for a label that may come later; primary first."""
    call = copy.call
    return Prediction(
        nonce=call.nonce,
        time_ms=call.time_ms,
        route=call.route.name,
        primary=call.variant.name,
        shadow=copy.mirror.variant.name,
        primary_version=call.variant.version,
        shadow_version=copy.mirror.variant.version,
        at=call.in_force.table.at,
        primary_prediction=predictions[0],
        shadow_prediction=predictions[1],
        bucket=call.bucket,
    )
