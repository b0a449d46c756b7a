package kustomize

import (
	"bytes"
	"fmt"

	"go.yaml.in/yaml/v3"
)

// maxNodes bounds what the aliases of one YAML file expand to. The largest CRDs have some 20,000 nodes.
const maxNodes = 2_000_000

// maxDepth bounds the nesting of an object. The deepest CRDs known have some 60 levels.
const maxDepth = 200

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

var errTooDeep = fmt.Errorf("nested deeper than %d levels", maxDepth)

// CheckDepth reads JSON tokens only, so depth costs no stack.
func CheckDepth(content []byte) error {
	depth, inString, escaped := 0, false, false
	for _, c := range content {
		switch {
		case escaped:
			escaped = false
		case inString:
			escaped = c == '\\'
			inString = c != '"'
		case c == '"':
			inString = true
		case c == '{' || c == '[':
			if depth++; depth > maxDepth {
				return errTooDeep
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return nil
}
