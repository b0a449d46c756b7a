package kustomize

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"

	"sigs.k8s.io/kustomize/api/resource"
	"sigs.k8s.io/kustomize/api/types"

	"fleetloop.dev/engine/internal/depth"
)

// header is what every object must have, and what may be there and is read by us.
type header struct {
	APIVersion  string
	Kind        string
	Name        string
	Namespace   string
	Labels      map[string]json.RawMessage
	Annotations map[string]json.RawMessage
	Items       []json.RawMessage
}

// UnmarshalJSON takes fields as the API server does, by their exact names; `apiversion` is none.
func (h *header) UnmarshalJSON(content []byte) error {
	var fields, metadata map[string]json.RawMessage
	if err := json.Unmarshal(content, &fields); err != nil {
		return err
	}
	if raw, found := fields["metadata"]; found {
		if err := json.Unmarshal(raw, &metadata); err != nil {
			return err
		}
	}
	for _, field := range []struct {
		name string
		raw  json.RawMessage
		into any
	}{
		{"apiVersion", fields["apiVersion"], &h.APIVersion},
		{"kind", fields["kind"], &h.Kind},
		{"metadata.name", metadata["name"], &h.Name},
		{"metadata.namespace", metadata["namespace"], &h.Namespace},
		{"metadata.labels", metadata["labels"], &h.Labels},
		{"metadata.annotations", metadata["annotations"], &h.Annotations},
		{"items", fields["items"], &h.Items},
	} {
		if field.raw == nil {
			continue
		}
		if err := json.Unmarshal(field.raw, field.into); err != nil {
			return fmt.Errorf("%s: %w", field.name, err)
		}
	}
	return nil
}

// expand gives the built resources as JSON objects: lists as their items, kustomize's own configuration left out.
func expand(made built, args BuildArgs) (BuildResult, error) {
	result, size := BuildResult{Objects: []json.RawMessage{}, Files: []string{}}, 0
	for _, resource := range made.resources {
		file, err := origin(resource, made.told, args.Path)
		if err != nil {
			return BuildResult{}, fmt.Errorf("origin of %s: %w", resource.CurId(), err)
		}
		content, err := resource.MarshalJSON()
		if err != nil {
			return BuildResult{}, fmt.Errorf("encode %s: %w", resource.CurId(), err)
		}
		if err := depth.Check(content); err != nil {
			return BuildResult{}, fmt.Errorf("%s: %w", resource.CurId(), err)
		}
		items, err := Flatten(content)
		if err != nil {
			return BuildResult{}, in(file, err)
		}
		result.Objects = append(result.Objects, items...)
		for range items {
			result.Files = append(result.Files, file)
		}
		size += len(content)
		if args.MaxObjects > 0 && len(result.Objects) > args.MaxObjects {
			return BuildResult{}, fmt.Errorf("the build has more than %d objects", args.MaxObjects)
		}
		if args.MaxBytes > 0 && size > args.MaxBytes {
			return BuildResult{}, fmt.Errorf("the objects of the build have more than %d bytes", args.MaxBytes)
		}
	}
	return result, nil
}

// origin reads where an object comes from, and takes the annotation that tells it away again unless the user wants it.
func origin(resource *resource.Resource, told bool, path string) (string, error) {
	from, err := resource.GetOrigin()
	if err != nil || from == nil {
		return "", err
	}
	if !told {
		if err := resource.SetOrigin(nil); err != nil {
			return "", err
		}
	}
	file := from.Path
	if file == "" {
		file = from.ConfiguredIn // a generator's
	}
	switch {
	case file == "":
		return "", nil
	case from.Repo != "":
		return from.Repo + "//" + strings.TrimPrefix(file, "/"), nil
	}
	return strings.TrimPrefix(filepath.Join("/", path, file), "/"), nil
}

func in(file string, err error) error {
	if file == "" {
		return err
	}
	return fmt.Errorf("%s: %w", file, err)
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
	if head.APIVersion == "" || head.Kind == "" || head.Name == "" {
		return nil, fmt.Errorf("failed to decode Kubernetes apiVersion, kind and name from: %s", excerpt(content))
	}
	return []json.RawMessage{content}, nil
}

// excerpt shows the fields that should name an object, in the letters they are written in, and nothing that could be a secret.
func excerpt(content json.RawMessage) string {
	var fields map[string]json.RawMessage
	_ = json.Unmarshal(content, &fields)
	metadata, shown := map[string]json.RawMessage{}, map[string]any{}
	for key, value := range fields {
		switch strings.ToLower(key) {
		case "apiversion", "kind":
			shown[key] = value
		case "metadata":
			var inner map[string]json.RawMessage
			_ = json.Unmarshal(value, &inner)
			for key, value := range inner {
				if lower := strings.ToLower(key); lower == "name" || lower == "namespace" {
					metadata[key] = value
				}
			}
		}
	}
	shown["metadata"] = metadata
	text, _ := json.Marshal(shown)
	return string(text)
}
