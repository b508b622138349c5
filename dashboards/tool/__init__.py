"""Tools of the dashboards: start a Superset, give it the bundle, describe the views. Nothing here is in the wheel."""
