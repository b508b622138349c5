"""A double of Zoho's accounts and API hosts on loopback, for the demo, tests and first steps."""

from cadence_sync.simulator.edits import EDIT_KINDS, Edit, EditError, make_random_edit, make_random_edits
from cadence_sync.simulator.faults import FAULT_KINDS, Fault
from cadence_sync.simulator.org import ORDERS, SimOrg
from cadence_sync.simulator.server import make_app, running
from cadence_sync.simulator.settings import SimulatorSettings
from cadence_sync.simulator.simulator import Simulator
from cadence_sync.simulator.tokens import CLIENT_ID, CLIENT_SECRET, SimulatedCredentials, credentials

__all__ = [
    "CLIENT_ID",
    "CLIENT_SECRET",
    "EDIT_KINDS",
    "FAULT_KINDS",
    "ORDERS",
    "Edit",
    "EditError",
    "Fault",
    "SimOrg",
    "SimulatedCredentials",
    "Simulator",
    "SimulatorSettings",
    "credentials",
    "make_app",
    "make_random_edit",
    "make_random_edits",
    "running",
]
