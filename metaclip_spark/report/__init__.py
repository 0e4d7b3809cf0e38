"""The data card of a run: one self-contained HTML page.

`card.Card` is plain data, so the page needs neither Spark nor pandas. `render.render` renders the page from it.
Importing this package imports neither jinja2 nor matplotlib.
"""
