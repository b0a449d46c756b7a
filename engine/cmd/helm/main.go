// Command helm is the engine for Helm charts and releases, and for commit messages, which are templates of the same kind.
// A program of its own: it is paid for only where these are.
package main

import (
	"fleetloop.dev/engine/internal/charts"
	"fleetloop.dev/engine/internal/message"
	"fleetloop.dev/engine/internal/release"
	"fleetloop.dev/engine/internal/rpc"
	"fleetloop.dev/engine/internal/worker"
)

func main() {
	worker.Main(map[string]rpc.Handler{
		"charts.build":   rpc.Verb(charts.Build),
		"charts.index":   rpc.Verb(charts.Index),
		"charts.inspect": rpc.Verb(charts.Inspect),
		"helm.chart":     rpc.Verb(release.Inspect),
		"helm.history":   rpc.Verb(release.History),
		"helm.install":   rpc.Verb(release.Install),
		"helm.manifest":  rpc.Verb(release.Manifest),
		"helm.render":    rpc.Verb(release.Render),
		"helm.rollback":  rpc.Verb(release.Rollback),
		"helm.test":      rpc.Verb(release.RunTests),
		"helm.uninstall": rpc.Verb(release.Uninstall),
		"helm.unlock":    rpc.Verb(release.Unlock),
		"helm.upgrade":   rpc.Verb(release.Upgrade),
		"helm.values":    rpc.Verb(release.MergeValues),
		"message.render": rpc.Verb(message.Render),
	})
}
