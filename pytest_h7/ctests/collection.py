"""ELF files with tests in C as files of pytest, and their tests as its items."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_h7.ctests.places import find_source
from pytest_h7.errors import ImageError
from pytest_h7.session import session_key

if TYPE_CHECKING:
    from pytest_h7.board.board import Board
    from pytest_h7.board.images import ImagePair
    from pytest_h7.ctests.suite import CTest, Suite


class CTestFile(pytest.File):
    """An ELF file."""

    def collect(self) -> Iterator[CTestItem]:
        """Give an item for each test in it, for each of its parameters.

        Raises:
            CollectError: the file is damaged, or was named on the command line and has no tests.
        """
        from pytest_h7.ctests.suite import read_suite

        try:
            suite = read_suite(self.path)
            if suite is not None:
                images = self._images(suite)
        except ImageError as error:
            raise self.CollectError(str(error)) from None
        if suite is None or not suite.tests:
            if self.session.isinitpath(self.path):
                raise self.CollectError(
                    f"{self.path} has no C tests: H7_TEST of h7_test.h makes one, and h7_test.c has to be linked."
                )
            return
        for test in suite.tests:
            item = CTestItem.from_parent(self, name=test.name, callobj=run_c_test)
            item.suite, item.test = suite, test
            item.add_marker(pytest.mark.h7_images(**images))
            if test.skip is not None:
                item.add_marker(pytest.mark.skip(reason=test.skip))
            yield item

    def _images(self, suite: Suite) -> dict[str, str]:
        """Return the images that are not those of the options."""
        from pytest_h7.board.images import reference_image

        other = "cm4" if suite.core == "cm7" else "cm7"
        settings = self.config.stash[session_key].settings
        images = {suite.core: str(self.path)}
        if getattr(settings, f"{other}_image") is None:
            images[other] = str(reference_image(f"{other}_companion"))
        return images


class CTestItem(pytest.Function):
    """A test in C.

    Attributes:
        suite: The tests of its ELF file.
        test: What it is.
    """

    suite: Suite
    test: CTest

    def reportinfo(self) -> tuple[Path | str, int | None, str]:
        """Give pytest the place in the source."""
        return self.find(self.test.file), self.test.line - 1, self.name

    def find(self, file: str) -> str:
        """Return the path of a source file of the ELF file."""
        return find_source(file, self.config.rootpath, self.path.parent)


def run_c_test(h7_board: Board, h7_flashed: ImagePair, request: pytest.FixtureRequest) -> None:  # noqa: ARG001
    """Run the test in C that is requested."""
    from pytest_h7.ctests.running import Execution

    __tracebackhide__ = True
    item: Any = request.node
    Execution(h7_board, item.suite, item.test, item.find).run()
