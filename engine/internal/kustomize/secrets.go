package kustomize

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/yaml"
)

// maxSecretFile bounds a source file that may be encrypted, in bytes.
const maxSecretFile = 5 << 20

// SecretFile is a source file that SOPS encrypted.
type SecretFile struct {
	Path   string `json:"path"` // below root
	Format string `json:"format"`
	Data   []byte `json:"data"`
}

// SecretsResult lists each file once.
type SecretsResult struct {
	Files []SecretFile `json:"files"`
}

// markers tell an encrypted file from a plain one. The binary format is JSON inside.
var markers = map[string][]byte{
	"yaml":   []byte("mac: ENC["),
	"json":   []byte(`"mac": "ENC[`),
	"binary": []byte(`"mac": "ENC[`),
	"dotenv": []byte("sops_mac=ENC["),
	"ini":    []byte("[sops]"),
}

// Secrets is the verb kustomize.secrets: the encrypted files that the build of the same arguments would read through
// secretGenerator and patches. Contract: source-kustomize.md 8.5 (a).
func Secrets(ctx context.Context, args BuildArgs) (SecretsResult, error) {
	files, err := newBoundedFS(ctx, args.Root, "")
	if err != nil {
		return SecretsResult{}, fmt.Errorf("source tree: %w", err)
	}
	files.inspect = checkAliases
	dir, err := locate(files, args)
	if err != nil {
		return SecretsResult{}, err
	}
	if _, err := amend(files, dir, args.Settings); err != nil {
		return SecretsResult{}, err
	}
	w := secretWalk{files: files, visited: map[string]bool{}, found: map[string]SecretFile{}}
	if err := w.directory(dir); err != nil {
		return SecretsResult{}, fmt.Errorf("error decrypting sources: %w", err)
	}
	result := SecretsResult{Files: []SecretFile{}}
	for _, file := range w.found {
		result.Files = append(result.Files, file)
	}
	return result, nil
}

type secretWalk struct {
	files   *boundedFS
	visited map[string]bool
	found   map[string]SecretFile
}

func (w secretWalk) directory(dir string) error {
	dir, err := w.files.real(dir)
	if errors.Is(err, fs.ErrNotExist) || w.visited[dir] {
		return nil // kustomize has the better message for what is missing
	}
	if err != nil {
		return err
	}
	w.visited[dir] = true
	path, found := findKustomizationFile(w.files, dir)
	if !found {
		return nil
	}
	content, err := w.files.ReadFile(path)
	if err != nil {
		return err
	}
	var k types.Kustomization
	if err := yaml.Unmarshal(content, &k); err != nil {
		return fmt.Errorf("failed to decode %s: %w", path, err)
	}
	for _, generator := range k.SecretGenerator {
		if err := w.generator(dir, generator.KvPairSources); err != nil {
			return err
		}
	}
	for _, patch := range k.Patches {
		if err := w.file(dir, patch.Path, formatOf(patch.Path)); err != nil {
			return err
		}
	}
	for _, list := range [][]string{k.Resources, k.Bases, k.Components} {
		for _, resource := range list {
			if child := filepath.Join(dir, resource); !isRemote(resource) && w.files.IsDir(child) {
				if err := w.directory(child); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (w secretWalk) generator(dir string, sources types.KvPairSources) error {
	for _, source := range sources.FileSources {
		key, path, named := strings.Cut(source, "=")
		if !named {
			path = key
		}
		if err := w.file(dir, path, formatOf(key)); err != nil {
			return err
		}
	}
	envs := sources.EnvSources
	if sources.EnvSource != "" {
		envs = append(envs, sources.EnvSource)
	}
	for _, path := range envs {
		format := formatOf(path)
		if format == "binary" {
			format = "dotenv"
		}
		if err := w.file(dir, path, format); err != nil {
			return err
		}
	}
	return nil
}

// file notes a file if it bears the format's marker.
func (w secretWalk) file(dir, path, format string) error {
	if path == "" || isRemote(path) {
		return nil
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(dir, path)
	}
	resolved, err := w.files.real(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	info, err := os.Stat(resolved)
	switch {
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return fmt.Errorf("'%s' is not a regular file", path)
	case info.Size() > maxSecretFile:
		return fmt.Errorf("'%s' has %d bytes, the limit for encrypted files is %d", path, info.Size(), maxSecretFile)
	}
	data, err := w.files.ReadFile(resolved)
	if err != nil {
		return err
	}
	if relative, _ := filepath.Rel(w.files.root, resolved); bytes.Contains(data, markers[format]) {
		w.found[relative] = SecretFile{Path: relative, Format: format, Data: data}
	}
	return nil
}

// formatOf goes by the extension, as SOPS does.
func formatOf(name string) string {
	switch {
	case strings.HasSuffix(name, ".yaml"), strings.HasSuffix(name, ".yml"):
		return "yaml"
	case strings.HasSuffix(name, ".json"), strings.HasSuffix(name, ".dockerconfigjson"):
		return "json"
	case strings.HasSuffix(name, ".env"):
		return "dotenv"
	case strings.HasSuffix(name, ".ini"):
		return "ini"
	}
	return "binary"
}
