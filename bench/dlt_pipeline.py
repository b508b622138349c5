"""The usual pipeline of a data engineer: dlt's `rest_api` source into Postgres with `scd2`."""

import os
import sys
from typing import Any

import dlt
from dlt.sources.rest_api import rest_api_source

os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"


def main() -> None:
    """Takes the server's address, a DSN with the password that dlt requires, and a folder for the pipeline's state."""
    url, dsn, folder = sys.argv[1:]
    paginator: Any = {
        "type": "page_number",
        "base_page": 1,
        "page_param": "page",
        "total_path": None,
        "has_more_path": "info.more_records",
        "stop_after_empty_page": False,
    }
    endpoint: Any = {
        "path": "crm/v7/settings/automation/cadences",
        "params": {"per_page": 200},
        "data_selector": "cadences",
    }
    source = rest_api_source(
        {
            "client": {"base_url": url, "paginator": paginator},
            "resource_defaults": {"write_disposition": {"disposition": "merge", "strategy": "scd2"}},
            "resources": [{"name": "cadences", "endpoint": endpoint}],
        }
    )
    destination = dlt.destinations.postgres(dsn)
    dlt.pipeline("bench", pipelines_dir=folder, destination=destination, dataset_name="dlt").run(source)


if __name__ == "__main__":
    main()
