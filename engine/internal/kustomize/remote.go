package kustomize

import (
	"fmt"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"sigs.k8s.io/kustomize/api/konfig"
	"sigs.k8s.io/kustomize/api/types"
)

// userAtHost matches the scp-like form of a Git address, git@host:path.
var userAtHost = regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9-]*@[^/]*:`)

func isKustomizationFile(path string) bool {
	return slices.Contains(konfig.RecognizedKustomizationFileNames(), filepath.Base(path))
}

// checkRemote refuses the remote references of one kustomization file that may not be followed, before kustomize starts
// to.
func checkRemote(path string, k *types.Kustomization, allowed bool) error {
	for _, reference := range references(k) {
		if !isRemote(reference) {
			continue
		}
		if !allowed {
			return fmt.Errorf("remote base '%s' in '%s' refused: remote bases are disabled", shown(reference), path)
		}
		if err := checkReference(reference); err != nil {
			return fmt.Errorf("remote base '%s' in '%s' refused: %w", shown(reference), path, err)
		}
	}
	return nil
}

// references are all the strings of a kustomization that kustomize would hand to a loader.
func references(k *types.Kustomization) []string {
	all := slices.Concat(k.Resources, k.Components, k.Bases, k.Crds, k.Configurations, k.Generators, k.Transformers, k.Validators)
	all = append(all, k.OpenAPI["path"])
	for _, patch := range slices.Concat(k.Patches, k.PatchesJson6902) {
		all = append(all, patch.Path)
	}
	for _, patch := range k.PatchesStrategicMerge {
		all = append(all, string(patch))
	}
	for _, replacement := range k.Replacements {
		all = append(all, replacement.Path)
	}
	var sources []types.KvPairSources
	for _, generator := range k.ConfigMapGenerator {
		sources = append(sources, generator.KvPairSources)
	}
	for _, generator := range k.SecretGenerator {
		sources = append(sources, generator.KvPairSources)
	}
	for _, source := range sources {
		all = append(all, source.EnvSource)
		all = append(all, source.EnvSources...)
		for _, file := range source.FileSources {
			_, path, named := strings.Cut(file, "=")
			if !named {
				path = file
			}
			all = append(all, path)
		}
	}
	return all
}

func isRemote(reference string) bool {
	if strings.Contains(reference, "\n") { // inline YAML
		return false
	}
	lower := strings.ToLower(reference)
	for _, prefix := range []string{"git::", "github.com/", "github.com:", "http://", "https://", "ssh://", "file://"} {
		if strings.HasPrefix(lower, prefix) {
			return true
		}
	}
	return userAtHost.MatchString(reference)
}

// checkReference: a revision or host that begins with "-" would be an option to git; file:// would read other trees.
func checkReference(reference string) error {
	address, query, _ := strings.Cut(reference, "?")
	lower := strings.TrimPrefix(strings.ToLower(address), "git::")
	if strings.HasPrefix(lower, "file://") {
		return fmt.Errorf("local repositories cannot be remote bases")
	}
	for _, part := range strings.FieldsFunc(lower, func(r rune) bool { return strings.ContainsRune("/@:", r) }) {
		if strings.HasPrefix(part, "-") {
			return fmt.Errorf("'%s' begins with '-'", part)
		}
	}
	values, err := url.ParseQuery(query)
	if err != nil {
		return fmt.Errorf("query: %w", err)
	}
	for _, key := range []string{"ref", "version"} {
		if revision := values.Get(key); strings.HasPrefix(revision, "-") {
			return fmt.Errorf("%s '%s' begins with '-'", key, revision)
		}
	}
	return nil
}

// plainKeys are the parts of a query that kustomize itself reads; any other may be a password.
var plainKeys = []string{"ref", "version", "timeout", "submodules", "depth", "exec"}

// shown leaves out what may be a password.
func shown(reference string) string {
	text := reference
	for _, secret := range secretsOf(reference) {
		text = strings.ReplaceAll(text, secret, "xxxxx")
	}
	return text
}

// secretsOf are the parts of a reference that no message may hold, as they are written in it.
func secretsOf(reference string) []string {
	var secrets []string
	address, query, _ := strings.Cut(reference, "?")
	if _, rest, found := strings.Cut(address, "://"); found {
		host, _, _ := strings.Cut(rest, "/")
		if user := strings.LastIndexByte(host, '@'); user >= 0 {
			if _, password, found := strings.Cut(host[:user], ":"); found {
				secrets = append(secrets, password)
			}
		}
	}
	for _, pair := range strings.Split(query, "&") {
		if key, value, _ := strings.Cut(pair, "="); !slices.Contains(plainKeys, key) {
			secrets = append(secrets, value)
		}
	}
	return slices.DeleteFunc(secrets, func(secret string) bool { return secret == "" })
}
