package release

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"time"

	chart "helm.sh/helm/v4/pkg/chart/v2"
	helm "helm.sh/helm/v4/pkg/release"
	v1 "helm.sh/helm/v4/pkg/release/v1"
	"helm.sh/helm/v4/pkg/storage/driver"
	"sigs.k8s.io/yaml"
)

// Snapshot is a release as it was written to Helm's storage: what status.history tells of it.
// Contract: helm-notification-image.md 2.9.
type Snapshot struct {
	Name          string          `json:"name"`
	Namespace     string          `json:"namespace"`
	Version       int             `json:"version"`
	Status        string          `json:"status"`
	Description   string          `json:"description"`
	ChartName     string          `json:"chartName"`
	ChartVersion  string          `json:"chartVersion"`
	AppVersion    string          `json:"appVersion"`
	Digest        string          `json:"digest"`
	ConfigDigest  string          `json:"configDigest"`
	ApplyMethod   string          `json:"applyMethod"`
	FirstDeployed string          `json:"firstDeployed"` // RFC 3339; "": never
	LastDeployed  string          `json:"lastDeployed"`
	Deleted       string          `json:"deleted"`
	TestHooks     map[string]Test `json:"testHooks"`
}

// Test is a test hook's last run.
type Test struct {
	LastStarted   string `json:"lastStarted"`
	LastCompleted string `json:"lastCompleted"`
	Phase         string `json:"phase"`
}

// digested is what the digest of a snapshot covers, in this order (HN10). Tests are not part of it: they run later.
type digested struct {
	Name      string          `json:"name"`
	Version   int             `json:"version"`
	Info      *v1.Info        `json:"info"`
	Metadata  *chart.Metadata `json:"chartMetadata"`
	Config    map[string]any  `json:"config"`
	Manifest  string          `json:"manifest"`
	Hooks     []*v1.Hook      `json:"hooks"`
	Namespace string          `json:"namespace"`
	OCIDigest string          `json:"ociDigest,omitempty"`
}

// Digests is how snapshots are sealed: the algorithm (sha256, sha384, sha512), and the digest of the OCI artifact that a chart
// came from, by the version of the release.
type Digests struct {
	Algorithm string         `json:"algorithm"`
	Sealed    map[int]string `json:"sealed"` // with other algorithms
	OCI       map[int]string `json:"oci"`
	NewOCI    string         `json:"newOCI"` // of releases that this call makes
}

func (d Digests) algorithm(version int) string {
	if other, ok := d.Sealed[version]; ok {
		return other
	}
	return d.Algorithm
}

func (d Digests) of(version int) string {
	if known, ok := d.OCI[version]; ok {
		return known
	}
	return d.NewOCI
}

func snapshotOf(release *v1.Release, digests Digests) (Snapshot, error) {
	configDigest, err := digestOfValues(release.Config, digests.Algorithm)
	if err != nil {
		return Snapshot{}, err
	}
	digest, err := digestOf(release, digests)
	if err != nil {
		return Snapshot{}, err
	}
	found := Snapshot{
		Name:          release.Name,
		Namespace:     release.Namespace,
		Version:       release.Version,
		Digest:        digest,
		ConfigDigest:  configDigest,
		ApplyMethod:   release.ApplyMethod,
		Status:        release.Info.Status.String(),
		Description:   release.Info.Description,
		FirstDeployed: stamp(release.Info.FirstDeployed),
		LastDeployed:  stamp(release.Info.LastDeployed),
		Deleted:       stamp(release.Info.Deleted),
		TestHooks:     map[string]Test{},
	}
	if release.Chart != nil && release.Chart.Metadata != nil {
		found.ChartName = release.Chart.Metadata.Name
		found.ChartVersion = release.Chart.Metadata.Version
		found.AppVersion = release.Chart.Metadata.AppVersion
	}
	for _, hook := range release.Hooks {
		if isTest(hook) {
			run := hook.LastRun
			found.TestHooks[hook.Name] = Test{stamp(run.StartedAt), stamp(run.CompletedAt), string(run.Phase)}
		}
	}
	return found, nil
}

func digestOf(release *v1.Release, digests Digests) (string, error) {
	covered := digested{
		Name:      release.Name,
		Version:   release.Version,
		Info:      release.Info,
		Manifest:  release.Manifest,
		Namespace: release.Namespace,
		OCIDigest: digests.of(release.Version),
	}
	if len(release.Config) > 0 { // storage does not keep an empty one
		covered.Config = release.Config
	}
	if release.Chart != nil {
		covered.Metadata = release.Chart.Metadata
	}
	for _, hook := range release.Hooks {
		if !isTest(hook) {
			covered.Hooks = append(covered.Hooks, hook)
		}
	}
	algorithm := digests.algorithm(release.Version)
	sum, err := newHash(algorithm)
	if err != nil {
		return "", err
	}
	if err := json.NewEncoder(sum).Encode(covered); err != nil {
		return "", fmt.Errorf("digest of release %s: %w", release.Name, err)
	}
	return digestText(algorithm, sum), nil
}

func isTest(hook *v1.Hook) bool {
	for _, event := range hook.Events {
		if event == v1.HookTest {
			return true
		}
	}
	return false
}

func newHash(algorithm string) (hash.Hash, error) {
	switch algorithm {
	case "", "sha256":
		return sha256.New(), nil
	case "sha384":
		return sha512.New384(), nil
	case "sha512":
		return sha512.New(), nil
	}
	return nil, fmt.Errorf("digest algorithm '%s' is none of sha256, sha384, sha512", algorithm)
}

func digestText(algorithm string, sum hash.Hash) string {
	if algorithm == "" {
		algorithm = "sha256"
	}
	return algorithm + ":" + hex.EncodeToString(sum.Sum(nil))
}

func stamp(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return at.UTC().Format(time.RFC3339)
}

// observing is Helm's storage, telling what was written to it.
type observing struct {
	driver.Driver
	digests Digests
	seen    []Snapshot
	last    *v1.Release
	failure error
}

// Named is an object by its name, in the shape of a manifest.
type Named struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Metadata   struct {
		Name      string `json:"name"`
		Namespace string `json:"namespace"`
	} `json:"metadata"`
}

// objects are those of the release that was written last, hooks apart; nil when they cannot be read.
func (o *observing) objects() []Named {
	if o.last == nil {
		return nil
	}
	found := []Named{}
	for _, text := range split(o.last.Manifest) {
		var object Named
		if err := yaml.Unmarshal([]byte(text), &object); err != nil {
			return nil
		}
		if object.Kind != "" {
			found = append(found, object)
		}
	}
	return found
}

func (o *observing) Create(key string, release helm.Releaser) error {
	return o.note(release, o.Driver.Create(key, release))
}

func (o *observing) Update(key string, release helm.Releaser) error {
	return o.note(release, o.Driver.Update(key, release))
}

func (o *observing) note(release helm.Releaser, err error) error {
	if err != nil {
		return err
	}
	written, ok := release.(*v1.Release)
	if !ok {
		return fmt.Errorf("a release of the type %T", release)
	}
	snapshot, err := snapshotOf(written, o.digests)
	if err != nil {
		o.failure = err
		return nil
	}
	o.seen, o.last = append(o.seen, snapshot), written
	return nil
}
