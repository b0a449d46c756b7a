package controlplane

import (
	"flag"
	"fmt"
	"path/filepath"
	"strings"

	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	"k8s.io/kubernetes/cmd/kube-controller-manager/names"

	"fleetloop.dev/cluster/internal/process"
)

// controllers of a cluster whose only node is virtual. Left out: whatever needs a cloud, a network or a real node
// (node lifecycle would evict everything after a laptop slept), and endpoint slices, since pods live on loopback
// addresses, which an EndpointSlice may not hold.
var controllers = []string{
	names.ClusterRoleAggregationController,
	names.CronJobController,
	names.DaemonSetController,
	names.DeploymentController,
	names.DisruptionController,
	names.GarbageCollectorController,
	names.JobController,
	names.NamespaceController,
	names.PersistentVolumeBinderController,
	names.PersistentVolumeClaimProtectionController,
	names.PersistentVolumeProtectionController,
	names.PodGarbageCollectorController,
	names.ReplicaSetController,
	names.ReplicationControllerController,
	names.ResourceQuotaController,
	names.RootCACertificatePublisherController,
	names.ServiceAccountController,
	names.ServiceAccountTokenController,
	names.StatefulSetController,
	names.TTLAfterFinishedController,
	names.ValidatingAdmissionPolicyStatusController,
}

// RunControllerManager runs the controllers until SIGTERM or SIGINT. The API server must be ready.
func RunControllerManager(args []string) error {
	set := flag.NewFlagSet("controller-manager", flag.ContinueOnError)
	pkiDir := set.String("pki-dir", "", "folder with ca.crt and sa.key (required)")
	kubeconfig := set.String("kubeconfig", "", "how to reach the API server as an administrator (required)")
	exitWithParent := set.Bool("exit-with-parent", false, "exit when stdin reaches its end")
	if err := set.Parse(args); err != nil {
		return err
	}
	if *pkiDir == "" || *kubeconfig == "" {
		return fmt.Errorf("--pki-dir and --kubeconfig are required")
	}
	if *exitWithParent {
		process.DieWithParent()
	}
	command := controllermanager.NewControllerManagerCommand()
	command.SetArgs([]string{
		"--kubeconfig=" + *kubeconfig,
		"--controllers=" + strings.Join(controllers, ","),
		"--leader-elect=false", // it is alone
		"--secure-port=0",
		"--root-ca-file=" + filepath.Join(*pkiDir, "ca.crt"),
		"--service-account-private-key-file=" + filepath.Join(*pkiDir, "sa.key"),
		// The defaults (20/s) suit a cloud's API server, not one on the same machine.
		"--kube-api-qps=500",
		"--kube-api-burst=1000",
		"--profiling=false",
	})
	return command.Execute()
}
