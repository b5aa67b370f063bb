"""What makes a run of tests a release gate: figures, baselines, what has changed between releases, a summary."""
