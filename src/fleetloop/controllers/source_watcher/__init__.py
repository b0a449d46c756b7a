"""source-watcher: artifacts composed of other artifacts."""
