"""TLS on either side of a sidecar: identities read from files, renewed when these change, and one TLS layer.

Whoever makes a connection takes what its credential holds at that moment, so new connections use new files
and those that stand are left alone. Files are read whole and tried before they are used: what cannot be used
is refused where a configuration asks for it first, and later leaves what there was in place.
"""
