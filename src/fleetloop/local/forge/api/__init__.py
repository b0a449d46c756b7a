"""The subset of GitHub's REST API that the forge serves, as GitHub Enterprise does: below `/api/v3`."""
