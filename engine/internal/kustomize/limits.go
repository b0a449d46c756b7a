package kustomize

import (
	"bytes"
	"fmt"
	"slices"

	"go.yaml.in/yaml/v3"
	"sigs.k8s.io/kustomize/api/types"
)

// maxNodes bounds what the aliases of one YAML file expand to. The largest CRDs have some 20,000 nodes.
const maxNodes = 2_000_000

// checkAliases finds a file whose aliases expand beyond maxNodes ("billion laughs"): kustomize expands them unbounded.
func checkAliases(path string, content []byte) error {
	if !bytes.ContainsRune(content, '&') || !bytes.ContainsRune(content, '*') {
		return nil
	}
	decoder := yaml.NewDecoder(bytes.NewReader(content))
	for {
		var document yaml.Node
		if err := decoder.Decode(&document); err != nil {
			return nil //nolint:nilerr // the end, or not YAML: kustomize reports it if it matters
		}
		if count := expanded(&document, map[*yaml.Node]int{}); count > maxNodes {
			return fmt.Errorf("'%s': YAML aliases expand to more than %d nodes", path, maxNodes)
		}
	}
}

// checkInline does the same for the YAML inside the strings of a kustomization file.
func checkInline(path string, k *types.Kustomization) error {
	texts := slices.Concat(k.Generators, k.Transformers, k.Validators)
	for _, patch := range slices.Concat(k.Patches, k.PatchesJson6902) {
		texts = append(texts, patch.Patch)
	}
	for _, patch := range k.PatchesStrategicMerge {
		texts = append(texts, string(patch))
	}
	for _, text := range texts {
		if err := checkAliases(path, []byte(text)); err != nil {
			return err
		}
	}
	return nil
}

// expanded counts nodes as if aliases were copies, up to the limit. `sizes` holds those counted; -1 marks one under way,
// so that an alias to its own parent counts as too much.
func expanded(node *yaml.Node, sizes map[*yaml.Node]int) int {
	if size, ok := sizes[node]; ok {
		if size < 0 {
			return maxNodes + 1
		}
		return size
	}
	sizes[node] = -1
	total := 1
	if node.Kind == yaml.AliasNode {
		total = expanded(node.Alias, sizes)
	}
	for _, child := range node.Content {
		if total = total + expanded(child, sizes); total > maxNodes {
			break
		}
	}
	sizes[node] = min(total, maxNodes+1)
	return sizes[node]
}
