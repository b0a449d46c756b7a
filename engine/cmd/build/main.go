// Command build is the engine for everything that makes manifests: kustomize, substitution, CEL, semver, YAML.
package main

import (
	"fleetloop.dev/engine/internal/expression"
	"fleetloop.dev/engine/internal/kustomize"
	"fleetloop.dev/engine/internal/rpc"
	"fleetloop.dev/engine/internal/semver"
	"fleetloop.dev/engine/internal/substitute"
	"fleetloop.dev/engine/internal/worker"
	"fleetloop.dev/engine/internal/yamldoc"
)

func main() {
	worker.Main(map[string]rpc.Handler{
		"cel.check":         rpc.Verb(expression.Check),
		"cel.eval":          rpc.Verb(expression.Eval),
		"kustomize.build":   rpc.Verb(kustomize.Build),
		"kustomize.secrets": rpc.Verb(kustomize.Secrets),
		"semver.select":     rpc.Verb(semver.Select),
		"substitute":        rpc.Verb(substitute.Objects),
		"substitute.text":   rpc.Verb(substitute.OfText),
		"yaml.emit":         rpc.Verb(yamldoc.Emit),
		"yaml.parse":        rpc.Verb(yamldoc.Parse),
	})
}
