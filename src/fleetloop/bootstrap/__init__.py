"""From a plan to files to repeatable steps: bootstrap, install, uninstall."""
