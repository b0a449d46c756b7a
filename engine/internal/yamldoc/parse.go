// Package yamldoc reads and writes YAML as Kubernetes' own Go programs do.
package yamldoc

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"sigs.k8s.io/yaml"
)

// ParseArgs are the arguments of the verb yaml.parse.
type ParseArgs struct {
	Text   string `json:"text"`   // any number of documents
	Strict bool   `json:"strict"` // a key given twice is an error
}

// ParseResult has a value for each document that is not empty.
type ParseResult struct {
	Documents []json.RawMessage `json:"documents"`
}

// Parse is the verb yaml.parse.
func Parse(_ context.Context, args ParseArgs) (ParseResult, error) {
	convert := yaml.YAMLToJSON
	if args.Strict {
		convert = yaml.YAMLToJSONStrict
	}
	result := ParseResult{Documents: []json.RawMessage{}}
	for i, text := range split(args.Text) {
		content, err := convert([]byte(text))
		if err != nil {
			return ParseResult{}, fmt.Errorf("document %d: %w", i+1, err)
		}
		if string(content) != "null" {
			result.Documents = append(result.Documents, content)
		}
	}
	return result, nil
}

// split goes by lines that begin with "---": a separator inside a block scalar is indented.
func split(text string) []string {
	var documents []string
	var current strings.Builder
	for line := range strings.Lines(text) {
		if rest, found := strings.CutPrefix(line, "---"); found && (rest == "" || strings.ContainsAny(rest[:1], " \t\r\n")) {
			documents = append(documents, current.String())
			current.Reset()
			line = rest // a document may begin on this line, mostly it is a comment
		}
		current.WriteString(line)
	}
	return append(documents, current.String())
}
