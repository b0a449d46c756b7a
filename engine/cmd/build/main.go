// Command build is the engine for everything that makes manifests: kustomize, substitution, CEL, semver, YAML.
package main

import (
	"fleetloop.dev/engine/internal/kustomize"
	"fleetloop.dev/engine/internal/rpc"
	"fleetloop.dev/engine/internal/substitute"
	"fleetloop.dev/engine/internal/worker"
)

func main() {
	worker.Main(map[string]rpc.Handler{
		"kustomize.build": rpc.Verb(kustomize.Build),
		"substitute":      rpc.Verb(substitute.Objects),
	})
}
