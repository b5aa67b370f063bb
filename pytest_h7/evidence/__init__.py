"""What a failed test leaves behind: a page, a snapshot, core files and a timeline of both cores.

Nothing here is imported before a test has failed.
"""
