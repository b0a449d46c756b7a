// Package controlplane runs the Kubernetes API server with etcd, and the Kubernetes controller manager, as upstream
// ships them: only flags are chosen here.
package controlplane

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	kubeapiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"

	"fleetloop.dev/cluster/internal/process"
)

// APIServerFlags are what the caller decides about an API server.
type APIServerFlags struct {
	StateDir       string
	PKIDir         string
	Address        string
	Port           int
	ServiceRange   string
	UnsafeNoFsync  bool
	ExitWithParent bool
}

func parseAPIServerFlags(args []string) (APIServerFlags, error) {
	var f APIServerFlags
	set := flag.NewFlagSet("apiserver", flag.ContinueOnError)
	set.StringVar(&f.StateDir, "state-dir", "", "folder of the store (required)")
	set.StringVar(&f.PKIDir, "pki-dir", "", "folder with ca.crt, apiserver.crt, apiserver.key, kubelet-client.crt, "+
		"kubelet-client.key, sa.pub and sa.key (required)")
	set.StringVar(&f.Address, "bind-address", "127.0.0.1", "loopback address to serve on")
	set.IntVar(&f.Port, "port", 6443, "port to serve on")
	set.StringVar(&f.ServiceRange, "service-cluster-ip-range", "10.96.0.0/16", "range of Service addresses")
	set.BoolVar(&f.UnsafeNoFsync, "unsafe-no-fsync", false, "faster writes that a power cut may lose")
	set.BoolVar(&f.ExitWithParent, "exit-with-parent", false, "exit when stdin reaches its end")
	if err := set.Parse(args); err != nil {
		return f, err
	}
	return f, f.complete()
}

// complete refuses missing folders and makes both absolute, since the working directory will change.
func (f *APIServerFlags) complete() error {
	for name, folder := range map[string]*string{"state-dir": &f.StateDir, "pki-dir": &f.PKIDir} {
		if *folder == "" {
			return fmt.Errorf("--%s is required", name)
		}
		absolute, err := filepath.Abs(*folder)
		if err != nil {
			return err
		}
		*folder = absolute
	}
	return nil
}

// RunAPIServer serves until SIGTERM or SIGINT; then it ends running requests, and the store last.
func RunAPIServer(args []string) error {
	flags, err := parseAPIServerFlags(args)
	if err != nil {
		return err
	}
	if flags.ExitWithParent {
		process.DieWithParent()
	}
	if err := process.ClaimFolder(flags.StateDir); err != nil {
		return err
	}
	if err := process.RequireFreePort(flags.Address, flags.Port); err != nil {
		return err
	}
	if err := os.Chdir(flags.StateDir); err != nil {
		return err
	}
	etcd, err := startEtcd(filepath.Join(flags.StateDir, "etcd"), flags.UnsafeNoFsync)
	if err != nil {
		return err
	}
	defer etcd.Close()

	command := kubeapiserver.NewAPIServerCommand() // installs the signal handler, too
	command.SetArgs(apiServerArgs(flags))
	return command.Execute()
}

func apiServerArgs(f APIServerFlags) []string {
	pki := func(name string) string { return filepath.Join(f.PKIDir, name) }
	return []string{
		"--etcd-servers=" + clientSocket,
		"--bind-address=" + f.Address,
		"--secure-port=" + strconv.Itoa(f.Port),
		// Endpoints may not hold loopback addresses, so the API server must not announce itself as one.
		"--endpoint-reconciler-type=none",
		"--advertise-address=192.0.2.1",
		"--service-cluster-ip-range=" + f.ServiceRange,
		"--tls-cert-file=" + pki("apiserver.crt"),
		"--tls-private-key-file=" + pki("apiserver.key"),
		"--client-ca-file=" + pki("ca.crt"),
		"--kubelet-certificate-authority=" + pki("ca.crt"),
		"--kubelet-client-certificate=" + pki("kubelet-client.crt"),
		"--kubelet-client-key=" + pki("kubelet-client.key"),
		"--kubelet-preferred-address-types=InternalIP",
		"--service-account-key-file=" + pki("sa.pub"),
		"--service-account-signing-key-file=" + pki("sa.key"),
		"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
		"--authorization-mode=RBAC",
		"--anonymous-auth=true", // as everywhere: RBAC lets strangers see health and version only
		"--allow-privileged=true",
		"--profiling=false",
	}
}
