// Package semver chooses versions as Masterminds/semver does, which ranges of Flux objects are written for.
package semver

import (
	"context"
	"fmt"
	"slices"
	"strings"

	masterminds "github.com/Masterminds/semver/v3"
)

// SelectArgs are the arguments of the verb semver.select.
type SelectArgs struct {
	Range    string   `json:"range"` // "": all
	Versions []string `json:"versions"`
	// Parse: "lenient" takes what Masterminds takes (v1, 1.2); "dotted" also wants three dotted parts; "strict" wants the
	// letter of the standard, without a leading v.
	Parse string `json:"parse"`
}

// SelectResult has the versions in range as they were written, highest first; equal ones in the order given.
type SelectResult struct {
	Matches []string `json:"matches"`
}

// Select is the verb semver.select. What does not parse as a version is left out; a bad range is an error.
func Select(_ context.Context, args SelectArgs) (SelectResult, error) {
	parse, err := parserOf(args.Parse)
	if err != nil {
		return SelectResult{}, err
	}
	var wanted *masterminds.Constraints
	if args.Range != "" {
		if wanted, err = masterminds.NewConstraint(args.Range); err != nil {
			return SelectResult{}, fmt.Errorf("semver '%s' parse error: %w", args.Range, err)
		}
	}
	var found []*masterminds.Version
	for _, text := range args.Versions {
		version, err := parse(text)
		if err == nil && (wanted == nil || wanted.Check(version)) {
			found = append(found, version)
		}
	}
	slices.SortStableFunc(found, func(a, b *masterminds.Version) int { return b.Compare(a) })
	result := SelectResult{Matches: make([]string, len(found))}
	for i, version := range found {
		result.Matches[i] = version.Original()
	}
	return result, nil
}

func parserOf(name string) (func(string) (*masterminds.Version, error), error) {
	switch name {
	case "", "lenient":
		return masterminds.NewVersion, nil
	case "dotted":
		return func(text string) (*masterminds.Version, error) {
			if len(strings.SplitN(text, ".", 3)) < 3 {
				return nil, masterminds.ErrInvalidSemVer
			}
			return masterminds.NewVersion(text)
		}, nil
	case "strict":
		return masterminds.StrictNewVersion, nil
	}
	return nil, fmt.Errorf("parse '%s' is none of lenient, dotted, strict", name)
}
