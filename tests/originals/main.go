// Command originals answers what the Go libraries say that this project's own code must agree with: a JSON line in, a JSON
// line out. It is part of the tests and of nothing else.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	masterminds "github.com/Masterminds/semver/v3"
	"github.com/drone/envsubst"
	"github.com/go-git/go-git/v5/plumbing/format/gitignore"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/cli-utils/pkg/kstatus/status"
)

// question is one of four; the fields of the others are empty.
type question struct {
	Object map[string]any `json:"object"` // its health

	Text      *string           `json:"text"` // substituted
	Variables map[string]string `json:"variables"`

	Range    *string  `json:"range"` // the versions in it, in the order given, and which of each pair is newer
	Versions []string `json:"versions"`

	Patterns []pattern `json:"patterns"` // which of the paths they ignore
	Paths    []path    `json:"paths"`
}

type pattern struct {
	Line   string   `json:"line"`
	Domain []string `json:"domain"`
}

type path struct {
	Name      string `json:"name"`
	Directory bool   `json:"directory"`
}

type answer struct {
	Error    string `json:"error,omitempty"`
	Panicked bool   `json:"panicked,omitempty"`

	Status  string `json:"status,omitempty"`
	Message string `json:"message,omitempty"`

	Text string `json:"text,omitempty"`

	Matches []string `json:"matches,omitempty"`
	Orders  []int    `json:"orders,omitempty"` // each version against the one before it, those left out that are none

	Ignored []bool `json:"ignored,omitempty"`
}

func main() {
	in, out := json.NewDecoder(bufio.NewReader(os.Stdin)), bufio.NewWriter(os.Stdout)
	defer out.Flush()
	in.UseNumber()
	for in.More() {
		var q question
		if err := in.Decode(&q); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		line, err := json.Marshal(guarded(q))
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		out.Write(append(line, '\n'))
	}
}

// guarded tells of a panic: originals have some.
func guarded(q question) (a answer) {
	defer func() {
		if reason := recover(); reason != nil {
			a = answer{Panicked: true, Error: fmt.Sprint(reason)}
		}
	}()
	result, err := ask(q)
	if err != nil {
		return answer{Error: err.Error()}
	}
	return result
}

func ask(q question) (answer, error) {
	switch {
	case q.Object != nil:
		return health(q.Object)
	case q.Text != nil:
		text, err := envsubst.Eval(*q.Text, func(name string) string { return q.Variables[name] })
		return answer{Text: text}, err
	case q.Range != nil:
		return inRange(*q.Range, q.Versions)
	default:
		return ignored(q.Patterns, q.Paths), nil
	}
}

// health decodes as clients do: whole numbers are integers.
func health(object map[string]any) (answer, error) {
	content, err := json.Marshal(object)
	if err != nil {
		return answer{}, err
	}
	var typed unstructured.Unstructured
	if err := typed.UnmarshalJSON(content); err != nil {
		return answer{}, err
	}
	result, err := status.Compute(&typed)
	if err != nil {
		return answer{}, err
	}
	return answer{Status: result.Status.String(), Message: result.Message}, nil
}

func inRange(text string, versions []string) (answer, error) {
	constraint, err := masterminds.NewConstraint(text)
	if err != nil {
		return answer{}, err
	}
	var result answer
	var before *masterminds.Version
	for _, name := range versions {
		version, err := masterminds.NewVersion(name)
		if err != nil {
			continue
		}
		if constraint.Check(version) {
			result.Matches = append(result.Matches, name)
		}
		if before != nil {
			result.Orders = append(result.Orders, version.Compare(before))
		}
		before = version
	}
	return result, nil
}

func ignored(patterns []pattern, paths []path) answer {
	parsed := make([]gitignore.Pattern, len(patterns))
	for i, p := range patterns {
		parsed[i] = gitignore.ParsePattern(p.Line, p.Domain)
	}
	matcher := gitignore.NewMatcher(parsed)
	result := answer{Ignored: make([]bool, len(paths))}
	for i, p := range paths {
		result.Ignored[i] = matcher.Match(strings.Split(p.Name, "/"), p.Directory)
	}
	return result
}
