"""A double of Zoho's accounts and API hosts on loopback, for the demo, tests and first steps."""

from cadence_sync.simulator.edits import Edit, EditError
from cadence_sync.simulator.faults import FAULT_KINDS, Fault
from cadence_sync.simulator.mix import EDIT_KINDS, random_edit, random_edits
from cadence_sync.simulator.org import ORDERS, SimOrg
from cadence_sync.simulator.server import make_app, running
from cadence_sync.simulator.settings import Settings
from cadence_sync.simulator.simulator import Simulator
from cadence_sync.simulator.tokens import CLIENT_ID, CLIENT_SECRET, Credentials, credentials

__all__ = [
    "CLIENT_ID",
    "CLIENT_SECRET",
    "EDIT_KINDS",
    "FAULT_KINDS",
    "ORDERS",
    "Credentials",
    "Edit",
    "EditError",
    "Fault",
    "Settings",
    "SimOrg",
    "Simulator",
    "credentials",
    "make_app",
    "random_edit",
    "random_edits",
    "running",
]
