"""Boards of a lab that labgrid shares out: a place's probe, serial port and power.

labgrid runs in a process of its own (`agent.py`), by the interpreter that has it. It brings a pytest plugin that
is loaded in every run where it is installed, and another edition of pyserial: it need not be where pytest is.
"""
