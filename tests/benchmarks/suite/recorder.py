"""A pytest plugin that records what each test costs, as JSON in the file that BENCH_RECORD names."""

from __future__ import annotations

import json
import os
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

_records: dict[str, dict[str, Any]] = defaultdict(lambda: {"seconds": 0.0})


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    begin = time.perf_counter()
    report = yield
    if call.when == "call":
        _records[item.nodeid.partition("::")[2]]["report_s"] = time.perf_counter() - begin
    return report


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    record = _records[report.nodeid.partition("::")[2]]
    record["seconds"] += report.duration
    record.update(report.user_properties)
    if report.when == "call":
        record["began"] = report.start


def pytest_sessionfinish() -> None:
    Path(os.environ["BENCH_RECORD"]).write_text(json.dumps(_records))
