package release

import (
	"context"
	"errors"
	"io"
	"time"

	"helm.sh/helm/v4/pkg/kube"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/cli-runtime/pkg/resource"

	"fleetloop.dev/engine/internal/rpc"
)

// Wait is what the parent is asked: to answer when all objects are as the mode wants them, with an error when they cannot be or
// the time is over.
type Wait struct {
	Mode    string   `json:"mode"`    // ready, jobs (ready, Jobs complete), deleted, hook (Jobs and Pods done)
	Seconds float64  `json:"seconds"` // at most
	Objects []Object `json:"objects"`
}

// Object names one object; Version is the resourceVersion it must at least have. Fleeting is a Job that is removed when it is done.
type Object struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Namespace  string `json:"namespace"`
	Name       string `json:"name"`
	Version    string `json:"version"`
	Fleeting   bool   `json:"fleeting"`
}

// waitingClient is Helm's client with our waiter, and without requests that only look whether the server is there, and what it can.
type waitingClient struct {
	*kube.Client
	ctx context.Context
}

func (c waitingClient) IsReachable() error { return nil }

// Build leaves it to the API server to validate fields, which it is told to do with each write. Helm would first read all schemas, to
// see whether the server can: most of the time of an upgrade.
func (c waitingClient) Build(reader io.Reader, _ bool) (kube.ResourceList, error) {
	return c.Client.Build(reader, false)
}

func (c waitingClient) GetWaiter(strategy kube.WaitStrategy) (kube.Waiter, error) {
	return waiter{c.ctx, strategy == kube.HookOnlyStrategy}, nil
}

func (c waitingClient) GetWaiterWithOptions(strategy kube.WaitStrategy, _ ...kube.WaitOption) (kube.Waiter, error) {
	return c.GetWaiter(strategy)
}

// waiter blocks a goroutine while the parent watches.
type waiter struct {
	ctx       context.Context
	hooksOnly bool
}

func (w waiter) Wait(resources kube.ResourceList, timeout time.Duration) error {
	return w.unlessHooksOnly("ready", resources, timeout)
}

func (w waiter) WaitWithJobs(resources kube.ResourceList, timeout time.Duration) error {
	return w.unlessHooksOnly("jobs", resources, timeout)
}

func (w waiter) WaitForDelete(resources kube.ResourceList, timeout time.Duration) error {
	return w.unlessHooksOnly("deleted", resources, timeout)
}

func (w waiter) WatchUntilReady(resources kube.ResourceList, timeout time.Duration) error {
	return w.until("hook", resources, timeout)
}

func (w waiter) unlessHooksOnly(mode string, resources kube.ResourceList, timeout time.Duration) error {
	if w.hooksOnly {
		return nil
	}
	return w.until(mode, resources, timeout)
}

func (w waiter) until(mode string, resources kube.ResourceList, timeout time.Duration) error {
	wait := Wait{Mode: mode, Seconds: timeout.Seconds(), Objects: []Object{}}
	for _, info := range resources {
		if mode != "deleted" && isPaused(info) {
			continue
		}
		wait.Objects = append(wait.Objects, objectOf(info))
	}
	if len(wait.Objects) == 0 {
		return nil
	}
	_, err := rpc.Ask[struct{}](w.ctx, "wait", wait)
	if errors.Is(err, context.Canceled) {
		return errors.New("canceled")
	}
	return err
}

func objectOf(info *resource.Info) Object {
	apiVersion, name := info.Mapping.GroupVersionKind.ToAPIVersionAndKind()
	object := Object{APIVersion: apiVersion, Kind: name, Namespace: info.Namespace, Name: info.Name}
	if accessor, err := meta.Accessor(info.Object); err == nil {
		object.Version = accessor.GetResourceVersion()
	}
	if name == "Job" {
		_, object.Fleeting = field(info, "spec", "ttlSecondsAfterFinished")
	}
	return object
}

// isPaused tells of a Deployment that does not roll out, and would be waited for in vain.
func isPaused(info *resource.Info) bool {
	if info.Mapping.GroupVersionKind.GroupKind().String() != "Deployment.apps" {
		return false
	}
	paused, _ := field(info, "spec", "paused")
	return paused == true
}

func field(info *resource.Info, path ...string) (any, bool) {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(info.Object)
	if err != nil {
		return nil, false
	}
	found, ok, err := unstructured.NestedFieldNoCopy(content, path...)
	return found, ok && err == nil
}
