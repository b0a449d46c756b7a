"""A whole fleet on a laptop: embedded clusters, a virtual node, a Git forge, a registry."""
