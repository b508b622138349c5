"""Makes Superset's own database ready: its tables, its roles, and the user `admin`. Runs in Superset's Python.

`superset db upgrade`, `init` and `fab create-admin` do the same, one process each, with the password in the list of
processes; here it comes from the environment.
"""

import os

from flask_migrate import upgrade
from superset.app import create_app


def main() -> None:
    """Prepare it; what is there already stays, but for the password."""
    password = os.environ["BI_ADMIN_PASSWORD"]
    app = create_app()
    with app.app_context():
        from superset.extensions import appbuilder, security_manager  # noqa: PLC0415 - they need the app

        upgrade()
        appbuilder.add_permissions(update_perms=True)
        security_manager.sync_role_definitions()
        user = security_manager.find_user(username="admin")
        if user is None:
            role = security_manager.find_role("Admin")
            user = security_manager.add_user("admin", "Admin", "of this machine", "admin@localhost", role, password)
        else:
            security_manager.reset_password(user.id, password)
        if not user:
            raise SystemExit("Superset made no user; its log says why.")


if __name__ == "__main__":
    main()
