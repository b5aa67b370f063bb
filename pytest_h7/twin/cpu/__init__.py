"""The cores of the virtual board: ARMv7-M (Arm DDI0403E) around an engine that executes instructions.

The chip sees `Core`, and answers through `CoreHost`. Everything else in this package may change.
"""

from pytest_h7.twin.cpu.core import Core
from pytest_h7.twin.cpu.host import CoreHost, Sleep

__all__ = ["Core", "CoreHost", "Sleep"]
