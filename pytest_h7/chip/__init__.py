"""Facts about the STM32H755 as data: memories, registers, interrupts, option bytes, CoreSight.

Nothing in this package touches a probe or a simulation. The plugin, the pyOCD target, the virtual
board and the C header of the firmware are all fed from here.
"""
