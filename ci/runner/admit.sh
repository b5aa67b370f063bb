#!/usr/bin/env bash
# The runner calls this before each job (ACTIONS_RUNNER_HOOK_JOB_STARTED); if it fails, the job does not run here.
exec /usr/bin/env python3 -I "$(dirname "${BASH_SOURCE[0]}")/admit.py"
