"""Git by the git program: list refs, fetch, commit, push. Knows nothing of Kubernetes."""
