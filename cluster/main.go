// Command fleetloop-cluster is the control plane of the embedded cluster: the unmodified Kubernetes API server on an
// embedded etcd, the Kubernetes controller manager, and an OCI registry, one role a process.
// It makes no keys, no nodes and no policy: `fleetloop local` does, and starts each role.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"

	"fleetloop.dev/cluster/internal/controlplane"
	"fleetloop.dev/cluster/internal/registry"
)

const usage = `usage: fleetloop-cluster ROLE [flags]

roles:
  apiserver            etcd and the Kubernetes API server
  controller-manager   the Kubernetes controllers
  registry             an OCI registry that keeps its content on disk

fleetloop-cluster ROLE --help lists the flags of a role.
`

func main() {
	if len(os.Args) < 2 {
		fail(2, usage)
	}
	roles := map[string]func(args []string) error{
		"apiserver":          controlplane.RunAPIServer,
		"controller-manager": controlplane.RunControllerManager,
		"registry":           registry.Run,
	}
	run, known := roles[os.Args[1]]
	if !known {
		fail(2, fmt.Sprintf("unknown role %q\n\n%s", os.Args[1], usage))
	}
	if err := run(os.Args[2:]); err != nil && !errors.Is(err, flag.ErrHelp) {
		fail(1, fmt.Sprintf("fleetloop-cluster %s: %v\n", os.Args[1], err))
	}
}

func fail(code int, message string) {
	fmt.Fprint(os.Stderr, message)
	os.Exit(code)
}
