"""The cores of the virtual board: ARMv7E-M (Arm DDI0403E), in C.

The chip sees `Core`, and answers through `CoreHost`. Everything else in this package may change.
"""

from pytest_h7.twin.cpu.core import Core
from pytest_h7.twin.cpu.host import CoreHost, Sleep

__all__ = ["Core", "CoreHost", "Sleep"]
