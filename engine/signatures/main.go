// Command signatures is the engine that verifies signatures of OCI artifacts. A program of its own, and a module of its own: what
// sigstore and notation link in is paid for only where something is verified. It fetches no artifact; its network is for the
// public trust root and for revocation lists.
package main

import (
	"fleetloop.dev/engine/internal/rpc"
	"fleetloop.dev/engine/internal/worker"
	"fleetloop.dev/engine/signatures/internal/cosign"
	"fleetloop.dev/engine/signatures/internal/notary"
)

func main() {
	worker.Main(map[string]rpc.Handler{
		"signatures.cosign":   rpc.Verb(cosign.Verify),
		"signatures.notation": rpc.Verb(notary.Verify),
	})
}
