"""HTTP: probes and metrics for machines (`health`), and the web UI for people (`app`).

To add a page:

1. Its queries go to `db/queries/`.
2. `views/<name>.py`: `routes = web.RouteTableDef()`; `templating.NAVIGATION` has the entries of the navigation.
   A handler reads its filters and its snapshot by `params`, and returns `await page(request, "<name>.html", …)`.
   What changes something is a POST: `middleware` has checked its origin and its secret before the handler runs.
3. `views/__init__.py`: the module joins `PAGES`.
4. `templates/<name>.html` extends `base.html`; `macros.html` has tables, paging, filters and charts. Everything is
   escaped; nothing there is marked `safe`.

A `CadenceSyncError` that a handler raises becomes a page with its sentence and its hint.
"""
