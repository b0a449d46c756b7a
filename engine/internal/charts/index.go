// Package charts reads chart repositories' indexes and builds chart packages. It fetches nothing.
package charts

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	chart "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/repo/v1"
	"sigs.k8s.io/yaml"
)

// largestWhole bounds an index of an unusual form, which is parsed in one piece, in bytes.
const largestWhole = 8 << 20

// IndexArgs are the arguments of the verb charts.index.
type IndexArgs struct {
	Path string `json:"path"` // as it was downloaded
	Into string `json:"into"` // where the JSON goes
}

// IndexResult counts what was kept.
type IndexResult struct {
	Charts   int `json:"charts"`
	Versions int `json:"versions"`
}

// Index is the verb charts.index: a repository's index, YAML or JSON, as JSON with two spaces, invalid versions left out, the
// newest first. One chart after the other is held in memory, never all. Contract: source-kustomize.md 5.2.
func Index(_ context.Context, args IndexArgs) (IndexResult, error) {
	content, err := os.ReadFile(args.Path)
	if err != nil {
		return IndexResult{}, errors.New("the index cannot be read")
	}
	read, err := parse(content)
	if err != nil {
		return IndexResult{}, err
	}
	if read.head.APIVersion == "" {
		return IndexResult{}, repo.ErrNoAPIVersion
	}
	file, err := os.Create(args.Into)
	if err != nil {
		return IndexResult{}, errors.New("the index cannot be written")
	}
	out := bufio.NewWriter(file)
	result, err := read.write(out)
	return result, errors.Join(err, out.Flush(), file.Close())
}

// index is everything but the entries, and those as texts that are not parsed yet.
type index struct {
	head    repo.IndexFile
	entries map[string][]byte
	decode  func([]byte) (repo.ChartVersions, error)
}

func parse(content []byte) (*index, error) {
	if first := bytes.TrimLeft(content, " \t\r\n"); len(first) > 0 && first[0] == '{' && json.Valid(content) {
		return parseJSON(content)
	}
	if parted := partYAML(content); parted != nil {
		return parted, yaml.UnmarshalStrict(parted.entries[""], &parted.head)
	}
	if len(content) > largestWhole {
		return nil, fmt.Errorf("an index of %d bytes must have one line `name:` a chart, indented alike, below `entries:`", len(content))
	}
	var whole repo.IndexFile
	if err := yaml.UnmarshalStrict(content, &whole); err != nil {
		return nil, err
	}
	made := &index{head: whole, entries: map[string][]byte{}}
	made.decode = func(name []byte) (repo.ChartVersions, error) { return whole.Entries[string(name)], nil }
	for name := range whole.Entries {
		made.entries[name] = []byte(name)
	}
	return made, nil
}

func parseJSON(content []byte) (*index, error) {
	var document struct {
		repo.IndexFile
		Entries map[string]json.RawMessage `json:"entries"`
	}
	if err := json.Unmarshal(content, &document); err != nil {
		return nil, err
	}
	made := &index{head: document.IndexFile, entries: map[string][]byte{}}
	made.decode = func(text []byte) (versions repo.ChartVersions, err error) {
		return versions, json.Unmarshal(text, &versions)
	}
	for name, text := range document.Entries {
		made.entries[name] = text
	}
	return made, nil
}

var (
	topLine   = regexp.MustCompile(`^[A-Za-z]`)
	chartLine = regexp.MustCompile(`^( +)(?:([A-Za-z0-9][A-Za-z0-9._-]*)|"([^"\\]+)"|'([^']+)'):\s*$`)
)

// partYAML cuts an index where charts begin, without parsing it. The rest is under the name "". Nil: it has another form.
func partYAML(content []byte) *index {
	made := &index{entries: map[string][]byte{}}
	made.decode = decodePart
	indent, inside, name := "", false, ""
	var head bytes.Buffer
	start, offset := 0, 0 // of the chart, of the line: parts are views of the content, which is large
	keep := func() bool {
		if name == "" {
			return true
		}
		if _, twice := made.entries[name]; twice {
			return false
		}
		made.entries[name] = content[start:offset:offset]
		name = ""
		return true
	}
	for line := range bytes.Lines(content) {
		found := chartLine.FindSubmatch(line)
		switch {
		case topLine.Match(line):
			if !keep() {
				return nil
			}
			if inside = strings.TrimRight(string(line), " \r\n") == "entries:"; !inside {
				head.Write(line)
			}
		case !inside:
			head.Write(line)
		case found != nil && (indent == "" || indent == string(found[1])):
			if !keep() {
				return nil
			}
			indent, start = string(found[1]), offset
			name = string(found[2]) + string(found[3]) + string(found[4])
		case name == "" && len(bytes.TrimSpace(line)) > 0:
			return nil
		}
		offset += len(line)
	}
	if !keep() || bytes.Contains(content, []byte("\n---")) || len(made.entries) == 0 {
		return nil
	}
	made.entries[""] = head.Bytes()
	return made
}

func decodePart(text []byte) (repo.ChartVersions, error) {
	var part map[string]repo.ChartVersions
	if err := yaml.UnmarshalStrict(text, &part); err != nil {
		return nil, err
	}
	for _, versions := range part {
		return versions, nil
	}
	return nil, nil
}

// write leaves out what Helm would not take.
func (i *index) write(out io.Writer) (IndexResult, error) {
	var result IndexResult
	fmt.Fprintf(out, "{\n  \"apiVersion\": %q,\n  \"generated\": %q,\n  \"entries\": {", i.head.APIVersion, i.head.Generated.Format(time.RFC3339Nano))
	names := make([]string, 0, len(i.entries))
	for name := range i.entries {
		if name != "" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for number, name := range names {
		versions, err := i.decode(i.entries[name])
		if err != nil {
			return result, fmt.Errorf("entries of chart '%s': %w", name, err)
		}
		versions = slices.DeleteFunc(versions, isInvalid)
		sorted := repo.IndexFile{Entries: map[string]repo.ChartVersions{name: versions}}
		sorted.SortEntries()
		if versions == nil {
			versions = repo.ChartVersions{}
		}
		text, err := json.MarshalIndent(versions, "    ", "  ")
		if err != nil {
			return result, err
		}
		separator := ","
		if number == 0 {
			separator = ""
		}
		quoted, _ := json.Marshal(name)
		fmt.Fprintf(out, "%s\n    %s: %s", separator, quoted, text)
		result.Charts++
		result.Versions += len(versions)
	}
	if len(names) > 0 {
		fmt.Fprint(out, "\n  ")
	}
	fmt.Fprint(out, "}")
	if len(i.head.PublicKeys) > 0 {
		text, _ := json.MarshalIndent(i.head.PublicKeys, "  ", "  ")
		fmt.Fprintf(out, ",\n  \"publicKeys\": %s", text)
	}
	if len(i.head.Annotations) > 0 {
		text, _ := json.MarshalIndent(i.head.Annotations, "  ", "  ")
		fmt.Fprintf(out, ",\n  \"annotations\": %s", text)
	}
	_, err := fmt.Fprint(out, "\n}")
	return result, err
}

// isInvalid also fills in what very old charts leave out.
func isInvalid(version *repo.ChartVersion) bool {
	if version == nil || version.Metadata == nil {
		return true
	}
	if version.APIVersion == "" {
		version.APIVersion = chart.APIVersionV1
	}
	err := version.Validate()
	// Some servers strip the aliases that make dependencies differ.
	return err != nil && !strings.HasPrefix(err.Error(), "validation: more than one dependency with name or alias")
}
