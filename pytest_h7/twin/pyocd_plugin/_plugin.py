"""The entry point ``pyocd.probe``. pyOCD imports it half-way through its own import: keep imports out."""

from __future__ import annotations

from typing import Any

from pyocd.core.plugin import Plugin


class TwinProbePlugin(Plugin):
    """Gives pyOCD the virtual probe, and the target for real boards as well."""

    @property
    def name(self) -> str:
        """The type of the probe, before the colon of its unique id."""
        return "h7twin"

    @property
    def description(self) -> str:
        """What ``pyocd list --plugins`` shows."""
        return "Virtual NUCLEO-H755ZI-Q of pytest-h7"

    def load(self) -> Any:
        """Register the target and return the class of the probe."""
        from pytest_h7.target.registration import register
        from pytest_h7.twin.pyocd_plugin.probe import TwinProbe

        register()
        return TwinProbe
