package release

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"helm.sh/helm/v4/pkg/action"
	"helm.sh/helm/v4/pkg/kube"
	"helm.sh/helm/v4/pkg/release/common"
	v1 "helm.sh/helm/v4/pkg/release/v1"
	"helm.sh/helm/v4/pkg/storage"
	"helm.sh/helm/v4/pkg/storage/driver"
	corev1 "k8s.io/client-go/kubernetes/typed/core/v1"

	"fleetloop.dev/engine/internal/mask"
)

// Manager owns the fields that Helm applies.
const Manager = "helm-controller"

// Place is where a release lives, and as whom it is reached.
type Place struct {
	Cluster          Cluster `json:"cluster"`
	Name             string  `json:"name"`
	Namespace        string  `json:"namespace"`
	StorageNamespace string  `json:"storageNamespace"`
	Digests          Digests `json:"digests"`
}

// Outcome is how an action ended: what it wrote to Helm's storage, in order, the objects of what it wrote last (none where they
// cannot be read), Helm's last log lines, and its error if it failed. An action that failed may have written all the same.
type Outcome struct {
	Observed []Snapshot `json:"observed"`
	Objects  []Named    `json:"objects"`
	Logs     []string   `json:"logs"`
	Error    string     `json:"error"`
}

// session is one call's hold on a place.
type session struct {
	place   Place
	config  *action.Configuration
	storage *observing
	logs    *lastLines
	secrets []string // which nobody is told
}

func open(ctx context.Context, place Place, secrets ...string) (*session, error) {
	kube.ManagedFieldsManager = Manager
	getter, err := newClient(ctx, place.Cluster, place.Namespace)
	if err != nil {
		return nil, err
	}
	logs := &lastLines{secrets: secrets}
	cluster := kube.New(getter)
	cluster.Namespace = place.Namespace
	cluster.SetLogger(logs)
	clients, err := corev1.NewForConfig(getter.config) // not all groups' clients, which take longer to make than to use
	if err != nil {
		return nil, err
	}
	written := driver.NewSecrets(clients.Secrets(place.StorageNamespace))
	written.SetLogger(slog.DiscardHandler) // Flux tells no lines of the storage
	observed := &observing{Driver: &remembering{Driver: written}, digests: place.Digests}
	releases := storage.Init(observed)
	releases.SetLogger(slog.DiscardHandler)
	config := action.NewConfiguration(action.ConfigurationSetLogger(logs))
	config.RESTClientGetter = getter
	config.Releases = releases
	config.KubeClient = waitingClient{cluster, ctx}
	return &session{place, config, observed, logs, secrets}, nil
}

// outcome of an action; an error that is a cluster out of reach or the like is one too.
func (s *session) outcome(err error) (Outcome, error) {
	result := Outcome{Observed: s.storage.seen, Objects: s.storage.objects(), Logs: s.logs.lines()}
	if result.Observed == nil {
		result.Observed = []Snapshot{}
	}
	if err != nil {
		result.Error = mask.Text(err.Error(), s.secrets...)
	}
	return result, s.storage.failure
}

// Options are what install, upgrade and rollback share.
type Options struct {
	Seconds                  float64 `json:"seconds"` // at most, for each wait of the action
	DisableHooks             bool    `json:"disableHooks"`
	DisableWait              bool    `json:"disableWait"`
	DisableWaitForJobs       bool    `json:"disableWaitForJobs"`
	DisableOpenAPIValidation bool    `json:"disableOpenAPIValidation"`
	DisableSchemaValidation  bool    `json:"disableSchemaValidation"`
	TakeOwnership            bool    `json:"takeOwnership"`
	ServerSide               string  `json:"serverSide"` // true, false, auto
	Force                    bool    `json:"force"`      // replace; on the client-side path only
	MaxHistory               int     `json:"maxHistory"` // 0: no limit
	AllowDNS                 bool    `json:"allowDNS"`
	CleanupOnFail            bool    `json:"cleanupOnFail"`
}

func (o Options) timeout() time.Duration { return time.Duration(o.Seconds * float64(time.Second)) }

func (o Options) strategy() kube.WaitStrategy {
	if o.DisableWait {
		return kube.HookOnlyStrategy
	}
	return kube.StatusWatcherStrategy
}

// InstallArgs are the arguments of the verb helm.install.
type InstallArgs struct {
	Place           Place      `json:"place"`
	Chart           Chart      `json:"chart"`
	Values          Values     `json:"values"`
	PostRender      PostRender `json:"postRender"`
	Options         Options    `json:"options"`
	Replace         bool       `json:"replace"` // reuse the name of a release that was deleted
	CreateNamespace bool       `json:"createNamespace"`
}

// Install is the verb helm.install.
func Install(ctx context.Context, args InstallArgs) (Outcome, error) {
	run, err := open(ctx, args.Place, args.Values.secrets()...)
	if err != nil {
		return Outcome{}, err
	}
	install := newInstall(run.config, args)
	chart, err := args.Chart.load()
	if err != nil {
		return run.outcome(err)
	}
	values, err := args.Values.merged()
	if err != nil {
		return run.outcome(err)
	}
	_, err = install.RunWithContext(ctx, chart, values)
	return run.outcome(err)
}

func newInstall(config *action.Configuration, args InstallArgs) *action.Install {
	install, options := action.NewInstall(config), args.Options
	install.ReleaseName = args.Place.Name
	install.Namespace = args.Place.Namespace
	install.CreateNamespace = args.CreateNamespace
	install.Replace = args.Replace
	install.Timeout = options.timeout()
	install.WaitStrategy = options.strategy()
	install.WaitForJobs = !options.DisableWaitForJobs
	install.DisableHooks = options.DisableHooks
	install.DisableOpenAPIValidation = options.DisableOpenAPIValidation
	install.SkipSchemaValidation = options.DisableSchemaValidation
	install.TakeOwnership = options.TakeOwnership
	install.ServerSideApply = options.ServerSide != "false"
	install.ForceConflicts = install.ServerSideApply
	install.ForceReplace = options.Force && !install.ServerSideApply
	install.EnableDNS = options.AllowDNS
	install.SkipCRDs = true // the caller applies them by its own policy
	install.Devel = true
	install.PostRenderer = args.PostRender
	install.PostRenderStrategy = strategyOf(args.PostRender)
	return install
}

func strategyOf(render PostRender) action.PostRenderStrategy {
	if render.Strategy == "" {
		return action.PostRenderStrategyCombined
	}
	return action.PostRenderStrategy(render.Strategy)
}

// UpgradeArgs are the arguments of the verb helm.upgrade.
type UpgradeArgs struct {
	Place          Place      `json:"place"`
	Chart          Chart      `json:"chart"`
	Values         Values     `json:"values"`
	PostRender     PostRender `json:"postRender"`
	Options        Options    `json:"options"`
	PreserveValues bool       `json:"preserveValues"`
}

// Upgrade is the verb helm.upgrade.
func Upgrade(ctx context.Context, args UpgradeArgs) (Outcome, error) {
	run, err := open(ctx, args.Place, args.Values.secrets()...)
	if err != nil {
		return Outcome{}, err
	}
	upgrade, options := action.NewUpgrade(run.config), args.Options
	upgrade.Namespace = args.Place.Namespace
	upgrade.ReuseValues = args.PreserveValues
	upgrade.ResetValues = !args.PreserveValues
	upgrade.Timeout = options.timeout()
	upgrade.WaitStrategy = options.strategy()
	upgrade.WaitForJobs = !options.DisableWaitForJobs
	upgrade.DisableHooks = options.DisableHooks
	upgrade.DisableOpenAPIValidation = options.DisableOpenAPIValidation
	upgrade.SkipSchemaValidation = options.DisableSchemaValidation
	upgrade.TakeOwnership = options.TakeOwnership
	upgrade.ServerSideApply = options.ServerSide
	serverSide, err := run.isServerSide(options.ServerSide, 0)
	if err != nil {
		return run.outcome(err)
	}
	upgrade.ForceConflicts = serverSide
	upgrade.ForceReplace = options.Force && !serverSide
	upgrade.MaxHistory = options.MaxHistory
	upgrade.CleanupOnFail = options.CleanupOnFail
	upgrade.EnableDNS = options.AllowDNS
	upgrade.SkipCRDs = true
	upgrade.Devel = true
	upgrade.PostRenderer = args.PostRender
	upgrade.PostRenderStrategy = strategyOf(args.PostRender)
	chart, err := args.Chart.load()
	if err != nil {
		return run.outcome(err)
	}
	values, err := args.Values.merged()
	if err != nil {
		return run.outcome(err)
	}
	_, err = upgrade.RunWithContext(ctx, args.Place.Name, chart, values)
	return run.outcome(err)
}

// isServerSide resolves auto: as the release was applied (version 0: the last one).
func (s *session) isServerSide(wanted string, version int) (bool, error) {
	if wanted != "auto" {
		return wanted == "true", nil
	}
	found, err := s.find(version)
	if err != nil || found == nil {
		return false, err
	}
	return found.ApplyMethod == string(v1.ApplyMethodServerSideApply), nil
}

// RollbackArgs are the arguments of the verb helm.rollback.
type RollbackArgs struct {
	Place   Place   `json:"place"`
	Version int     `json:"version"` // to go back to
	Options Options `json:"options"`
}

// Rollback is the verb helm.rollback.
func Rollback(ctx context.Context, args RollbackArgs) (Outcome, error) {
	run, err := open(ctx, args.Place)
	if err != nil {
		return Outcome{}, err
	}
	rollback, options := action.NewRollback(run.config), args.Options
	rollback.Version = args.Version
	rollback.Timeout = options.timeout()
	rollback.WaitStrategy = options.strategy()
	rollback.WaitForJobs = !options.DisableWaitForJobs
	rollback.DisableHooks = options.DisableHooks
	rollback.ServerSideApply = options.ServerSide
	serverSide, err := run.isServerSide(options.ServerSide, args.Version)
	if err != nil {
		return run.outcome(err)
	}
	rollback.ForceConflicts = serverSide
	rollback.ForceReplace = options.Force && !serverSide
	rollback.MaxHistory = options.MaxHistory
	rollback.CleanupOnFail = options.CleanupOnFail
	return run.outcome(rollback.Run(args.Place.Name))
}

// UninstallArgs are the arguments of the verb helm.uninstall.
type UninstallArgs struct {
	Place        Place   `json:"place"`
	Seconds      float64 `json:"seconds"`
	DisableHooks bool    `json:"disableHooks"`
	DisableWait  bool    `json:"disableWait"`
	KeepHistory  bool    `json:"keepHistory"`
	Propagation  string  `json:"propagation"` // background, foreground, orphan
	Description  string  `json:"description"`
}

// Uninstall is the verb helm.uninstall. A release that is not there is no error.
func Uninstall(ctx context.Context, args UninstallArgs) (Outcome, error) {
	run, err := open(ctx, args.Place)
	if err != nil {
		return Outcome{}, err
	}
	uninstall := action.NewUninstall(run.config)
	uninstall.Timeout = time.Duration(args.Seconds * float64(time.Second))
	uninstall.DisableHooks = args.DisableHooks
	uninstall.WaitStrategy = Options{DisableWait: args.DisableWait}.strategy()
	uninstall.KeepHistory = args.KeepHistory
	uninstall.DeletionPropagation = args.Propagation
	uninstall.Description = args.Description
	_, err = uninstall.Run(args.Place.Name)
	if errors.Is(err, driver.ErrReleaseNotFound) {
		err = nil
	}
	return run.outcome(err)
}

// TestArgs are the arguments of the verb helm.test.
type TestArgs struct {
	Place   Place    `json:"place"`
	Seconds float64  `json:"seconds"`
	Include []string `json:"include"`
	Exclude []string `json:"exclude"`
}

// Test is the verb helm.test: the test hooks of the last release.
func RunTests(ctx context.Context, args TestArgs) (Outcome, error) {
	run, err := open(ctx, args.Place)
	if err != nil {
		return Outcome{}, err
	}
	tests := action.NewReleaseTesting(run.config)
	tests.Namespace = args.Place.Namespace
	tests.Timeout = time.Duration(args.Seconds * float64(time.Second))
	tests.Filters = map[string][]string{action.IncludeNameFilter: args.Include, action.ExcludeNameFilter: args.Exclude}
	_, shutdown, err := tests.Run(args.Place.Name)
	return run.outcome(errors.Join(err, shutdown()))
}

// UnlockArgs are the arguments of the verb helm.unlock.
type UnlockArgs struct {
	Place       Place  `json:"place"`
	Description string `json:"description"`
}

// Unlock is the verb helm.unlock: the last release counts as failed. For one whose action was killed.
func Unlock(ctx context.Context, args UnlockArgs) (Outcome, error) {
	run, err := open(ctx, args.Place)
	if err != nil {
		return Outcome{}, err
	}
	last, err := run.find(0)
	if err == nil && last == nil {
		err = fmt.Errorf("release %s is not there", args.Place.Name)
	}
	if err != nil {
		return run.outcome(err)
	}
	last.SetStatus(common.StatusFailed, args.Description)
	return run.outcome(run.config.Releases.Update(last))
}
