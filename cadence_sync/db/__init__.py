"""The Postgres side: tables, migrations, the store and the queries; all SQL stands here."""
