"""The virtual node: registers itself, binds pods, and plays the kubelet for them.

Pods of fleetloop's own controllers really run, as child processes; every other pod is pretended.
"""
