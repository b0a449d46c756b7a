"""Archives and the artifact store with its HTTP server and verifying reader."""
