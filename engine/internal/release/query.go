package release

import (
	"context"
	"errors"
	"fmt"
	"slices"

	helm "helm.sh/helm/v4/pkg/release"
	v1 "helm.sh/helm/v4/pkg/release/v1"
	"helm.sh/helm/v4/pkg/storage/driver"
)

// find gives a version of the release, 0 for the last one; nil when there is none.
func (s *session) find(version int) (*v1.Release, error) {
	var found helm.Releaser
	var err error
	if version > 0 {
		found, err = s.config.Releases.Get(s.place.Name, version)
	} else {
		found, err = s.config.Releases.Last(s.place.Name)
	}
	if errors.Is(err, driver.ErrReleaseNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	release, ok := found.(*v1.Release)
	if !ok {
		return nil, fmt.Errorf("a release of the type %T", found)
	}
	return release, nil
}

// HistoryArgs are the arguments of the verb helm.history.
type HistoryArgs struct {
	Place Place `json:"place"`
}

// HistoryResult has what Helm's storage holds, newest first.
type HistoryResult struct {
	Releases []Snapshot `json:"releases"`
}

// History is the verb helm.history.
func History(ctx context.Context, args HistoryArgs) (HistoryResult, error) {
	run, err := open(ctx, args.Place)
	if err != nil {
		return HistoryResult{}, err
	}
	stored, err := run.config.Releases.History(args.Place.Name)
	if err != nil && !errors.Is(err, driver.ErrReleaseNotFound) {
		return HistoryResult{}, err
	}
	result := HistoryResult{Releases: []Snapshot{}}
	for _, item := range stored {
		release, ok := item.(*v1.Release)
		if !ok {
			return HistoryResult{}, fmt.Errorf("a release of the type %T", item)
		}
		snapshot, err := snapshotOf(release, args.Place.Digests)
		if err != nil {
			return HistoryResult{}, err
		}
		result.Releases = append(result.Releases, snapshot)
	}
	slices.SortFunc(result.Releases, func(a, b Snapshot) int { return b.Version - a.Version })
	return result, nil
}

// ManifestArgs are the arguments of the verb helm.manifest.
type ManifestArgs struct {
	Place   Place `json:"place"`
	Version int   `json:"version"` // 0: the last one
}

// ManifestResult has the objects of a release without its hooks, as they were rendered.
type ManifestResult struct {
	Objects []map[string]any `json:"objects"`
}

// Manifest is the verb helm.manifest.
func Manifest(ctx context.Context, args ManifestArgs) (ManifestResult, error) {
	run, err := open(ctx, args.Place)
	if err != nil {
		return ManifestResult{}, err
	}
	release, err := run.find(args.Version)
	if err != nil || release == nil {
		return ManifestResult{Objects: []map[string]any{}}, err
	}
	objects, err := documents(release.Manifest)
	return ManifestResult{objects}, err
}

// RenderArgs are the arguments of the verb helm.render.
type RenderArgs struct {
	Chart       Chart      `json:"chart"`
	Values      Values     `json:"values"`
	PostRender  PostRender `json:"postRender"`
	Name        string     `json:"name"`
	Namespace   string     `json:"namespace"`
	Upgrade     bool       `json:"upgrade"`
	KubeVersion string     `json:"kubeVersion"` // "": Helm's own idea
	APIVersions []string   `json:"apiVersions"`
}

// RenderResult has what an install or upgrade would bring, hooks apart.
type RenderResult struct {
	Objects []map[string]any `json:"objects"`
	Hooks   []map[string]any `json:"hooks"`
	Notes   string           `json:"notes"`
}
