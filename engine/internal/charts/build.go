package charts

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/Masterminds/semver/v3"
	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/loader/archive"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/chart/v2/util"
	"sigs.k8s.io/yaml"
)

const valuesName = "values.yaml"

// Source is a chart on disk: a folder or a package, at Path inside Root, which nothing leads out of.
type Source struct {
	Root   string `json:"root"`
	Path   string `json:"path"`
	Limits Limits `json:"limits"`
}

// Limits of a chart in bytes, 0 for Helm's own: of a package or all files of a folder, and of one file.
type Limits struct {
	Chart int64 `json:"chart"`
	File  int64 `json:"file"`
}

var limitFiles sync.Once // whoever calls has one setting; Helm keeps its limit in a variable

func (s Source) load() (loaded *chart.Chart, isFolder bool, err error) {
	limitFiles.Do(func() {
		if s.Limits.File > 0 {
			archive.MaxDecompressedFileSize = s.Limits.File
		}
	})
	place := filepath.Join(s.Root, filepath.Join("/", s.Path))
	found, err := os.Lstat(place)
	if err != nil {
		return nil, false, fmt.Errorf("no chart at '%s'", s.Path)
	}
	if err := s.check(place, found); err != nil {
		return nil, found.IsDir(), err
	}
	if found.IsDir() {
		loaded, err = loader.LoadDir(place)
	} else {
		loaded, err = loader.LoadFile(place)
	}
	if err != nil {
		return nil, found.IsDir(), err
	}
	return loaded, found.IsDir(), loaded.Validate()
}

// check refuses what Helm's loader would follow out of the root, and what is too large to be looked at.
func (s Source) check(place string, found fs.FileInfo) error {
	size := found.Size()
	if found.IsDir() {
		size = 0
		err := filepath.WalkDir(place, func(path string, entry fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			info, err := entry.Info()
			if err != nil {
				return err
			}
			if !info.IsDir() && !info.Mode().IsRegular() {
				return fmt.Errorf("'%s' is no regular file", entry.Name())
			}
			size += info.Size()
			return nil
		})
		if err != nil {
			return fmt.Errorf("cannot load chart at '%s': %w", s.Path, err)
		}
	} else if !found.Mode().IsRegular() {
		return fmt.Errorf("'%s' is no regular file", s.Path)
	}
	if s.Limits.Chart > 0 && size > s.Limits.Chart {
		return fmt.Errorf("size of chart at '%s' (%d) exceeds the limit of %d bytes", s.Path, size, s.Limits.Chart)
	}
	return nil
}

// InspectArgs are the arguments of the verb charts.inspect.
type InspectArgs struct {
	Source Source `json:"source"`
}

// Dependency is one that a chart in a folder wants and does not carry.
type Dependency struct {
	Name       string `json:"name"`
	Version    string `json:"version"`
	Repository string `json:"repository"`
}

// InspectResult is what a chart says of itself.
type InspectResult struct {
	Name     string       `json:"name"`
	Version  string       `json:"version"`
	IsFolder bool         `json:"isFolder"`
	Missing  []Dependency `json:"missing"`
}

// Inspect is the verb charts.inspect. A lock file's dependencies count in place of the chart's.
func Inspect(_ context.Context, args InspectArgs) (InspectResult, error) {
	loaded, isFolder, err := args.Source.load()
	if err != nil {
		return InspectResult{}, err
	}
	result := InspectResult{loaded.Metadata.Name, loaded.Metadata.Version, isFolder, []Dependency{}}
	if !isFolder {
		return result, nil
	}
	wanted := loaded.Metadata.Dependencies
	if loaded.Lock != nil {
		wanted = loaded.Lock.Dependencies
	}
	carried := map[string]bool{}
	for _, dependency := range loaded.Dependencies() {
		carried[dependency.Name()] = true
	}
	for _, dependency := range wanted {
		if dependency != nil && !carried[dependency.Name] {
			result.Missing = append(result.Missing, Dependency{dependency.Name, dependency.Version, dependency.Repository})
		}
	}
	return result, nil
}

// BuildArgs are the arguments of the verb charts.build.
type BuildArgs struct {
	Source        Source   `json:"source"`
	Dependencies  []Wanted `json:"dependencies"` // added to those it carries
	ValuesFiles   []string `json:"valuesFiles"`  // merged in this order, in place of the chart's own values
	ValuesRoot    string   `json:"valuesRoot"`   // where they are; "": inside the chart
	IgnoreMissing bool     `json:"ignoreMissing"`
	Metadata      string   `json:"metadata"` // the version's build metadata; "": as it is
	Into          string   `json:"into"`     // a folder
}

// Wanted is where a dependency is, and the range that its version must be in.
type Wanted struct {
	Source
	Version string `json:"version"`
}

func (w Wanted) load() (*chart.Chart, error) {
	loaded, _, err := w.Source.load()
	if err != nil || w.Version == "" {
		return loaded, err
	}
	wanted, err := semver.NewConstraint(w.Version)
	if err != nil {
		return nil, fmt.Errorf("dependency '%s': invalid version range '%s'", loaded.Name(), w.Version)
	}
	version, err := semver.NewVersion(loaded.Metadata.Version)
	if err != nil || !wanted.Check(version) {
		return nil, fmt.Errorf("dependency '%s' has version '%s', not in '%s'", loaded.Name(), loaded.Metadata.Version, w.Version)
	}
	return loaded, nil
}

// BuildResult is the package that was made.
type BuildResult struct {
	Path        string   `json:"path"`
	Name        string   `json:"name"`
	Version     string   `json:"version"`
	ValuesFiles []string `json:"valuesFiles"` // those that were there
	Problem     string   `json:"problem"`     // "": none; metadata, values, dependencies, package: which step refused
	Error       string   `json:"error"`
}

// Build is the verb charts.build. Equal sources make equal packages: no time is written. Contract: source-kustomize.md 6.3.
func Build(_ context.Context, args BuildArgs) (BuildResult, error) {
	loaded, _, err := args.Source.load()
	if err != nil {
		return BuildResult{}, err
	}
	if args.Metadata != "" {
		version, err := semver.StrictNewVersion(loaded.Metadata.Version)
		if err == nil {
			var changed semver.Version
			if changed, err = version.SetMetadata(args.Metadata); err == nil {
				loaded.Metadata.Version = changed.String()
			}
		}
		if err != nil {
			return refused("metadata", fmt.Errorf("failed to parse version from chart metadata as SemVer: %w", err))
		}
	}
	used, err := setValues(loaded, args)
	if err != nil {
		return refused("values", err)
	}
	for _, wanted := range args.Dependencies {
		dependency, err := wanted.load()
		if err != nil {
			return refused("dependencies", err)
		}
		loaded.AddDependency(dependency)
	}
	forgetTimes(loaded)
	path, err := util.Save(loaded, args.Into)
	if err != nil {
		return refused("package", err)
	}
	return BuildResult{Path: path, Name: loaded.Metadata.Name, Version: loaded.Metadata.Version, ValuesFiles: used}, nil
}

func refused(step string, err error) (BuildResult, error) {
	return BuildResult{Problem: step, Error: err.Error(), ValuesFiles: []string{}}, nil
}

func setValues(loaded *chart.Chart, args BuildArgs) ([]string, error) {
	used := []string{}
	if len(args.ValuesFiles) == 0 {
		return used, nil
	}
	merged := map[string]any{}
	for _, name := range args.ValuesFiles {
		content, err := readValues(loaded, args.ValuesRoot, name)
		if errors.Is(err, fs.ErrNotExist) && args.IgnoreMissing {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("no values file found at path '%s'", name)
		}
		values, err := common.ReadValues(content)
		if err != nil {
			return nil, fmt.Errorf("unmarshaling values from '%s' failed: %w", name, err)
		}
		merged = over(merged, values)
		used = append(used, name)
	}
	text, err := yaml.Marshal(merged)
	if err != nil {
		return nil, err
	}
	loaded.Values = merged
	for _, file := range loaded.Raw {
		if file.Name == valuesName {
			file.Data = text
			return used, nil
		}
	}
	loaded.Raw = append(loaded.Raw, &common.File{Name: valuesName, Data: text})
	return used, nil
}

func readValues(loaded *chart.Chart, root, name string) ([]byte, error) {
	if root == "" {
		wanted := filepath.ToSlash(filepath.Clean(name))
		for _, file := range loaded.Raw {
			if file.Name == wanted {
				return bytes.Clone(file.Data), nil
			}
		}
		return nil, fs.ErrNotExist
	}
	inside, err := os.OpenRoot(root)
	if err != nil {
		return nil, err
	}
	defer inside.Close()
	return inside.ReadFile(filepath.Join(".", filepath.Join("/", name)))
}

func over(base, other map[string]any) map[string]any {
	for key, value := range other {
		if inner, ok := value.(map[string]any); ok {
			if below, ok := base[key].(map[string]any); ok {
				base[key] = over(below, inner)
				continue
			}
		}
		base[key] = value
	}
	return base
}

func forgetTimes(loaded *chart.Chart) {
	loaded.ModTime, loaded.SchemaModTime = time.Unix(0, 0), time.Unix(0, 0)
	for _, files := range [][]*common.File{loaded.Raw, loaded.Templates, loaded.Files} {
		for _, file := range files {
			file.ModTime = time.Unix(0, 0)
		}
	}
	if loaded.Lock != nil {
		loaded.Lock.Generated = time.Unix(0, 0).UTC()
	}
	for _, dependency := range loaded.Dependencies() {
		forgetTimes(dependency)
	}
}
