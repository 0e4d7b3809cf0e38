"""The data card of a run: one self-contained HTML page (`card` -> `render`).

`card.Card` is plain data, so that the page needs neither Spark nor pandas; `render.render` makes
the page from it. Importing this package imports neither jinja2 nor matplotlib.
"""
