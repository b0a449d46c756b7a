"""Recipes from a source tree to Kubernetes objects."""
