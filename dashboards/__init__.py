"""What BI tools load: a Superset bundle and a dbt project over the schema `cadence_reporting`, and tools for both."""
