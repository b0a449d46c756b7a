package release

import (
	"context"
	"fmt"

	chart "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/chart/v2/util"
	"sigs.k8s.io/yaml"
)

// Chart is a packaged chart on disk. Version replaces its own ("" leaves it): the caller knows what it was built from.
type Chart struct {
	Path    string `json:"path"`
	Version string `json:"version"`
}

func (c Chart) load() (*chart.Chart, error) {
	loaded, err := loader.LoadFile(c.Path)
	if err != nil {
		return nil, err
	}
	if err := loaded.Validate(); err != nil {
		return nil, err
	}
	if c.Version != "" {
		loaded.Metadata.Version = c.Version
	}
	return loaded, nil
}

// InspectArgs are the arguments of the verb helm.chart. Values decide which dependencies are enabled.
type InspectArgs struct {
	Chart  Chart  `json:"chart"`
	Values Values `json:"values"`
}

// InspectResult is what a chart says of itself, and its custom resource definitions as objects.
type InspectResult struct {
	Name        string           `json:"name"`
	Version     string           `json:"version"`
	AppVersion  string           `json:"appVersion"`
	Definitions []map[string]any `json:"definitions"` // of enabled dependencies too
}

// Inspect is the verb helm.chart.
func Inspect(_ context.Context, args InspectArgs) (InspectResult, error) {
	loaded, err := args.Chart.load()
	if err != nil {
		return InspectResult{}, err
	}
	values, err := args.Values.merged()
	if err != nil {
		return InspectResult{}, err
	}
	if err := util.ProcessDependencies(loaded, values); err != nil {
		return InspectResult{}, fmt.Errorf("chart dependencies processing failed: %w", err)
	}
	result := InspectResult{
		Name:        loaded.Metadata.Name,
		Version:     loaded.Metadata.Version,
		AppVersion:  loaded.Metadata.AppVersion,
		Definitions: []map[string]any{},
	}
	for _, definition := range loaded.CRDObjects() {
		objects, err := documents(string(definition.File.Data))
		if err != nil {
			return InspectResult{}, fmt.Errorf("%s: %w", definition.Filename, err)
		}
		result.Definitions = append(result.Definitions, objects...)
	}
	return result, nil
}

// documents are the objects of a YAML stream.
func documents(stream string) ([]map[string]any, error) {
	objects := []map[string]any{}
	for _, text := range split(stream) {
		var object map[string]any
		if err := yaml.Unmarshal([]byte(text), &object); err != nil {
			return nil, err
		}
		if len(object) > 0 {
			objects = append(objects, object)
		}
	}
	return objects, nil
}
