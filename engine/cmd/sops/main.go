// Command sops is the engine for SOPS documents. A program of its own: SOPS brings the clients of every cloud.
package main

import (
	"fleetloop.dev/engine/internal/rpc"
	"fleetloop.dev/engine/internal/secrets"
	"fleetloop.dev/engine/internal/worker"
)

func main() {
	worker.Main(map[string]rpc.Handler{
		"age.keygen":   rpc.Verb(secrets.Keygen),
		"sops.decrypt": rpc.Verb(secrets.Decrypt),
		"sops.encrypt": rpc.Verb(secrets.Encrypt),
	})
}
