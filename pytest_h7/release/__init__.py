"""What makes a run of tests a release gate: figures, baselines, and what has changed between releases."""
