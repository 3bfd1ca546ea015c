"""
The live page: plain HTML, CSS and ES modules, as they are sent. `server/static_files.py` serves them; nothing here is Python.

    styles/   how it looks
    app/      puts the page together: router, session, notices, theme, and the feed of events
    stream/   talks to the server: the live stream, pages of the log, plain requests, the server's clock
    replay/   plays the log again: what is due when, and the slider over it
    model/    what is known of the vehicles, from the events alone; no browser in it
    views/    draws the model, and nothing else changes it

Imports go one way: app → replay → views → stream → model (`tests/server/test_static_files.py` holds this). No build step.
"""
