"""The rules that configuration must keep, as pure functions from a message to what is wrong with it.

Both planes ask here: the command line and the control service before they take something, every sidecar
again before it applies what it is pushed. A rule is checked nowhere else, and code behind a check may rely
on it.
"""

from understudy.checks.violation import Violation, join

__all__ = ["Violation", "join"]
