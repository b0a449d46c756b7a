package yamldoc

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"sigs.k8s.io/yaml"
)

// EmitArgs are the arguments of the verb yaml.emit.
type EmitArgs struct {
	Documents []json.RawMessage `json:"documents"`
}

// EmitResult has the documents with "---" between them.
type EmitResult struct {
	Text string `json:"text"`
}

// Emit is the verb yaml.emit.
func Emit(_ context.Context, args EmitArgs) (EmitResult, error) {
	texts := make([]string, len(args.Documents))
	for i, document := range args.Documents {
		content, err := yaml.JSONToYAML(document)
		if err != nil {
			return EmitResult{}, fmt.Errorf("document %d: %w", i+1, err)
		}
		texts[i] = string(content)
	}
	return EmitResult{Text: strings.Join(texts, "---\n")}, nil
}
