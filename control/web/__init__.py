"""The dashboard: one read-only page that shows what is in force and keeps itself up to date.

    Views ── state (one JSON text) ──┬─ GET /api/state    the first paint
                                     └─ GET /api/events   server-sent events, one for every change
    static/  the page itself: HTML, CSS and ES modules as they are written, no build step

It never changes anything, never runs third-party code, and asks nothing of any other origin.
"""
