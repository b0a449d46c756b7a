"""The Kubernetes client: connection, watches, server-side apply, inventory, health. Knows nothing of controllers."""
