package kustomize

import (
	"bytes"
	"path/filepath"
	"reflect"
	"slices"

	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/api/resource"
	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/kustomize/kyaml/resid"
	"sigs.k8s.io/yaml"
)

// chunk is how many files kustomize gets at a time where that makes no difference: it compares every object with every other, so
// that a thousand objects take a hundred times what a hundred take.
const chunk = 100

// lookAround: subjects and webhooks, whose references kustomize completes with a namespace even where nothing is renamed.
var lookAround = [][]byte{[]byte("RoleBinding"), []byte("WebhookConfiguration"), []byte("configSource")}

// run builds dir. Whatever is odd about a chunk is left to kustomize and the whole, with its words for it.
func run(files *boundedFS, dir string, options *krusty.Options) ([]*resource.Resource, error) {
	path, _ := findKustomizationFile(files, dir)
	whole, err := files.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if resources, done := runInChunks(files, dir, options, path, whole); done {
		return resources, nil
	}
	files.put(path, whole)
	made, err := krusty.MakeKustomizer(options).Run(files, dir)
	if err != nil {
		return nil, err
	}
	return made.Resources(), nil
}

func runInChunks(files *boundedFS, dir string, options *krusty.Options, path string, whole []byte) ([]*resource.Resource, bool) {
	var kustomization types.Kustomization
	if yaml.Unmarshal(whole, &kustomization) != nil || !isDivisible(files, dir, kustomization) {
		return nil, false
	}
	var all []*resource.Resource
	seen := map[resid.ResId]bool{}
	for resources := range slices.Chunk(kustomization.Resources, chunk) {
		part := kustomization
		part.Resources = resources
		content, err := yaml.Marshal(part)
		if err != nil {
			return nil, false
		}
		files.put(path, content)
		made, err := krusty.MakeKustomizer(options).Run(files, dir)
		if err != nil {
			return nil, false
		}
		for _, one := range made.Resources() {
			id := one.CurId()
			id.Namespace = id.EffectiveNamespace()
			if seen[id] {
				return nil, false
			}
			seen[id] = true
			all = append(all, one)
		}
	}
	return all, true
}

// isDivisible: many plain files and nothing done to them, so that no object depends on another.
func isDivisible(files *boundedFS, dir string, kustomization types.Kustomization) bool {
	rest := kustomization
	rest.TypeMeta, rest.Resources, rest.BuildMetadata = types.TypeMeta{}, nil, nil
	if len(kustomization.Resources) <= chunk || !reflect.DeepEqual(rest, types.Kustomization{}) {
		return false
	}
	for _, name := range kustomization.Resources {
		path := filepath.Join(dir, name)
		if !files.Exists(path) || files.IsDir(path) {
			return false
		}
		content, err := files.ReadFile(path)
		if err != nil || slices.ContainsFunc(lookAround, func(kind []byte) bool { return bytes.Contains(content, kind) }) {
			return false
		}
	}
	return true
}
