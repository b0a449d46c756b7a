// Package substitute puts variables into objects: the postBuild.substitute of a Kustomization.
package substitute

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"sigs.k8s.io/kustomize/kyaml/resid"
	"sigs.k8s.io/yaml"

	"fleetloop.dev/engine/internal/depth"
	"fleetloop.dev/engine/internal/kustomize"
	"fleetloop.dev/engine/internal/mask"
)

// switchKey: an object with this label or annotation set to "disabled" is left alone.
const switchKey = "kustomize.toolkit.fluxcd.io/substitute"

// Args are the arguments of the verb substitute.
type Args struct {
	Objects   []json.RawMessage `json:"objects"`
	Variables map[string]string `json:"variables"`
	Strict    bool              `json:"strict"`
}

// Result has the objects in the same order; one that became a list is its items.
type Result struct {
	Objects []json.RawMessage `json:"objects"`
}

type named struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Metadata   struct {
		Name        string         `json:"name"`
		Labels      map[string]any `json:"labels"`
		Annotations map[string]any `json:"annotations"`
	} `json:"metadata"`
}

// Objects is the verb substitute. It works on the YAML text of each object, which is parsed again: a value can become a
// number or a tree. Contract: source-kustomize.md 8.6.
func Objects(ctx context.Context, args Args) (Result, error) {
	result := Result{Objects: []json.RawMessage{}}
	for _, object := range args.Objects {
		if err := ctx.Err(); err != nil {
			return Result{}, err
		}
		var head named
		if err := json.Unmarshal(object, &head); err != nil {
			return Result{}, fmt.Errorf("decode an object: %w", err)
		}
		if head.Metadata.Labels[switchKey] == "disabled" || head.Metadata.Annotations[switchKey] == "disabled" {
			result.Objects = append(result.Objects, object)
			continue
		}
		substituted, err := one(ctx, object, args)
		if err != nil {
			return Result{}, fmt.Errorf("post build failed for '%s/%s': %w", head.gvk(), head.Metadata.Name, err)
		}
		result.Objects = append(result.Objects, substituted...)
	}
	return result, nil
}

func one(ctx context.Context, object json.RawMessage, args Args) ([]json.RawMessage, error) {
	text, err := yaml.JSONToYAML(object)
	if err != nil {
		return nil, fmt.Errorf("JSONToYAML: %w", err)
	}
	output, err := Text(ctx, string(text), args.Variables, args.Strict)
	if err != nil {
		return nil, fmt.Errorf("envsubst error: variable substitution failed: %w", err)
	}
	objects, err := reparse(output)
	if err != nil { // it may quote a value, and values come from Secrets
		return nil, mask.Error(err, mask.Words(slices.Collect(maps.Values(args.Variables))...)...)
	}
	return objects, nil
}

func reparse(text string) ([]json.RawMessage, error) {
	content, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		return nil, fmt.Errorf("YAMLToJSON: %w", err)
	}
	if err := depth.Check(content); err != nil {
		return nil, err
	}
	return kustomize.Flatten(content)
}

// gvk writes a kind as kustomize does: ConfigMap.v1.[noGrp].
func (n named) gvk() string {
	group, version, found := strings.Cut(n.APIVersion, "/")
	if !found {
		group, version = "", n.APIVersion
	}
	return resid.NewGvk(group, version, n.Kind).String()
}
