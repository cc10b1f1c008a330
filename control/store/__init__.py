"""What the control service must not forget: services, rollouts, evidence, audit, what is still to tell.

    Database (one connection, one task, one owner) ── Services · Rollouts · EvidenceLog · Outbox

Each verb is one transaction: all of it is on the disk when it returns, or none of it happened. A change of a
rollout is a compare-and-set on the rollout's version, so that nobody writes over a transition not seen.
"""
