"""Measures the promises of the design against a real API server, beside the floor: what the same server takes for bare requests.

Run `python -m bench [COUNT]`. It asserts nothing; docs/performance.md tells how to read it.
"""
