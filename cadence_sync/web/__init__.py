"""What the daemons say over HTTP: answers for machines (`health`), and the web UI for people (`app`).

How a page is added:

1. `db/queries/<name>.py`: its queries. Each takes a connection of `db.pages.reading` and returns frozen Structs.
2. `web/views/<name>.py`: `routes = web.RouteTableDef()`, and `nav = Nav("/path", "Label")` if it stands in the
   navigation. A handler reads its filters (`query.py`), asks, and returns `await page(request, "<name>.html", …)`.
   What changes something is a POST: `guard.py` has checked its origin and its token before the handler runs.
3. `web/views/__init__.py`: the module joins `PAGES`, in the order of the navigation.
4. `web/templates/<name>.html` extends `base.html`; `macros.html` has tables, paging, filters, times, persons,
   changes and charts. Everything is escaped; nothing there is marked `safe`.

A `CadenceSyncError` that a handler raises becomes a page with its sentence and its hint.
"""
