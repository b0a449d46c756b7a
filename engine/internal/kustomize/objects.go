package kustomize

import (
	"encoding/json"
	"fmt"
	"strings"

	"sigs.k8s.io/kustomize/api/resmap"
	"sigs.k8s.io/kustomize/api/types"

	"fleetloop.dev/engine/internal/depth"
)

// header is what every object must have.
type header struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Metadata   struct {
		Name string `json:"name"`
	} `json:"metadata"`
	Items []json.RawMessage `json:"items"`
}

// expand gives the built resources as JSON objects: lists as their items, kustomize's own configuration left out.
func expand(resources resmap.ResMap, args BuildArgs) ([]json.RawMessage, error) {
	objects, size := []json.RawMessage{}, 0
	for _, resource := range resources.Resources() {
		content, err := resource.MarshalJSON()
		if err != nil {
			return nil, fmt.Errorf("encode %s: %w", resource.CurId(), err)
		}
		if err := depth.Check(content); err != nil {
			return nil, fmt.Errorf("%s: %w", resource.CurId(), err)
		}
		items, err := Flatten(content)
		if err != nil {
			return nil, err
		}
		objects = append(objects, items...)
		size += len(content)
		if args.MaxObjects > 0 && len(objects) > args.MaxObjects {
			return nil, fmt.Errorf("the build has more than %d objects", args.MaxObjects)
		}
		if args.MaxBytes > 0 && size > args.MaxBytes {
			return nil, fmt.Errorf("the objects of the build have more than %d bytes", args.MaxBytes)
		}
	}
	return objects, nil
}

// Flatten checks one object and gives it, its items if it is a list, or nothing if it is for kustomize alone.
// An object without apiVersion, kind or name is an error: it would otherwise vanish without a word.
func Flatten(content json.RawMessage) ([]json.RawMessage, error) {
	var head header
	if err := json.Unmarshal(content, &head); err != nil {
		return nil, fmt.Errorf("failed to decode Kubernetes apiVersion, kind and name from: %s: %w", excerpt(content), err)
	}
	if strings.HasSuffix(head.Kind, "List") && head.Items != nil {
		var all []json.RawMessage
		for _, item := range head.Items {
			inner, err := Flatten(item)
			if err != nil {
				return nil, err
			}
			all = append(all, inner...)
		}
		return all, nil
	}
	if strings.HasPrefix(head.APIVersion, "kustomize.config.k8s.io/") &&
		(head.Kind == types.KustomizationKind || head.Kind == types.ComponentKind) {
		return nil, nil
	}
	if head.APIVersion == "" || head.Kind == "" || head.Metadata.Name == "" {
		return nil, fmt.Errorf("failed to decode Kubernetes apiVersion, kind and name from: %s", excerpt(content))
	}
	return []json.RawMessage{content}, nil
}

// excerpt shows the fields that should name an object, and nothing that could be a secret.
func excerpt(content json.RawMessage) string {
	var fields struct {
		APIVersion any `json:"apiVersion,omitempty"`
		Kind       any `json:"kind,omitempty"`
		Metadata   struct {
			Name      any `json:"name,omitempty"`
			Namespace any `json:"namespace,omitempty"`
		} `json:"metadata"`
	}
	_ = json.Unmarshal(content, &fields)
	shown, _ := json.Marshal(fields)
	return string(shown)
}
