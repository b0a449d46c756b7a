"""Secrets to credential values; cloud and GitHub App tokens."""
