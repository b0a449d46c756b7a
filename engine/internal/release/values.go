package release

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"sort"
	"strings"

	"go.yaml.in/yaml/v2"
	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/strvals"

	"fleetloop.dev/engine/internal/mask"
)

// Values are a release's values before they are merged. Contract: helm-notification-image.md 2.3.
type Values struct {
	Layers []Layer        `json:"layers"` // in order: later wins
	Inline map[string]any `json:"inline"`
}

// Layer is what one reference gave: a YAML document, or, with a target path, one value.
type Layer struct {
	Content    string `json:"content"`
	TargetPath string `json:"targetPath"`
	Literal    bool   `json:"literal"` // the value as it is, a string
	Secret     bool   `json:"secret"`  // what it holds must not be told
}

// merged keeps what the inline values share with the result: a target path reaches into them (HN4).
func (v Values) merged() (map[string]any, error) {
	result := map[string]any{}
	for number, layer := range v.Layers {
		if layer.TargetPath != "" {
			result = mergeMaps(result, v.Inline)
			if err := setPath(result, layer); err != nil {
				return nil, &LayerError{number, err.Error()}
			}
			continue
		}
		values, err := common.ReadValues([]byte(layer.Content))
		if err != nil {
			return nil, &LayerError{number, "unable to read values: " + firstLine(err)}
		}
		result = mergeMaps(result, values)
	}
	return mergeMaps(result, v.Inline), nil
}

// secrets are the values that no message may quote: schemas, templates and API servers do.
func (v Values) secrets() []string {
	var found []string
	for _, layer := range v.Layers {
		if !layer.Secret {
			continue
		}
		if layer.TargetPath != "" {
			found = append(found, strings.Trim(layer.Content, "'\""))
			continue
		}
		if values, err := common.ReadValues([]byte(layer.Content)); err == nil {
			found = append(found, mask.Leaves(map[string]any(values))...)
		}
	}
	return found
}

// LayerError tells which layer is to blame. Its text quotes nothing of the layer, which may be a secret.
type LayerError struct {
	Layer  int
	Reason string
}

func (e *LayerError) Error() string { return e.Reason }

func setPath(into map[string]any, layer Layer) error {
	path, value := layer.TargetPath, layer.Content
	var err error
	switch quoted := strings.Trim(value, "'\""); {
	case layer.Literal:
		err = strvals.ParseLiteralInto(path+"="+value, into)
	case isQuoted(value, '\'') || isQuoted(value, '"'):
		err = strvals.ParseIntoString(path+"="+quoted, into)
	default:
		err = strvals.ParseInto(path+"="+value, into)
	}
	if err != nil {
		return fmt.Errorf("unable to merge value at target path '%s'", path)
	}
	return nil
}

func isQuoted(text string, mark byte) bool {
	return len(text) > 1 && text[0] == mark && text[len(text)-1] == mark
}

func mergeMaps(base, over map[string]any) map[string]any {
	out := make(map[string]any, len(base))
	for key, value := range base {
		out[key] = value
	}
	for key, value := range over {
		if inner, ok := value.(map[string]any); ok {
			if below, ok := out[key].(map[string]any); ok {
				out[key] = mergeMaps(below, inner)
				continue
			}
		}
		out[key] = value
	}
	return out
}

func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}

// ValuesArgs are the arguments of the verb helm.values.
type ValuesArgs struct {
	Values    Values `json:"values"`
	Algorithm string `json:"algorithm"`
}

// ValuesResult has the merged values and their digest, or what is wrong with which layer.
type ValuesResult struct {
	Values map[string]any `json:"values"`
	Digest string         `json:"digest"`
	Layer  int            `json:"layer"`
	Error  string         `json:"error"`
}

// MergeValues is the verb helm.values.
func MergeValues(_ context.Context, args ValuesArgs) (ValuesResult, error) {
	values, err := args.Values.merged()
	if blamed, ok := err.(*LayerError); ok {
		return ValuesResult{Layer: blamed.Layer, Error: blamed.Reason}, nil
	}
	digest, err := digestOfValues(values, args.Algorithm)
	return ValuesResult{Values: values, Digest: digest}, err
}

// digestOfValues covers their YAML text: keys in order everywhere, whole numbers without a point, nothing for no values (HN5).
func digestOfValues(values map[string]any, algorithm string) (string, error) {
	sum, err := newHash(algorithm)
	if err != nil {
		return "", err
	}
	if len(values) > 0 {
		text, err := canonical(values)
		if err != nil {
			return "", fmt.Errorf("digest of values: %w", err)
		}
		sum.Write(text)
	}
	return digestText(algorithm, sum), nil
}

func canonical(values map[string]any) ([]byte, error) {
	content, err := json.Marshal(values)
	if err != nil {
		return nil, err
	}
	decoder := json.NewDecoder(bytes.NewReader(content))
	decoder.UseNumber()
	var plain any
	if err := decoder.Decode(&plain); err != nil {
		return nil, err
	}
	return yaml.Marshal(ordered(plain))
}

func ordered(value any) any {
	switch value := value.(type) {
	case map[string]any:
		keys := make([]string, 0, len(value))
		for key := range value {
			keys = append(keys, key)
		}
		sort.Strings(keys)
		items := make(yaml.MapSlice, 0, len(keys))
		for _, key := range keys {
			items = append(items, yaml.MapItem{Key: key, Value: ordered(value[key])})
		}
		return items
	case []any:
		for i, item := range value {
			value[i] = ordered(item)
		}
		return value
	case json.Number:
		if whole, err := value.Int64(); err == nil {
			return whole
		}
		number, err := value.Float64()
		if err == nil && number == math.Trunc(number) && math.Abs(number) < 1<<63 {
			return int64(number)
		}
		return number
	}
	return value
}
