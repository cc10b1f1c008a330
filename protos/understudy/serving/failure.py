"""What only shows at run time and ends a process: one line for the user, exit code 1."""


class CannotStart(Exception):
    """The process cannot do its work; the message names the field or flag and what is wrong with it."""
