"""Tests in C: found in ELF files, run on the chip, reported like tests in Python. See ``docs/c-tests.md``."""
