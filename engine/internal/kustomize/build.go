// Package kustomize turns a source tree and the settings of a Kustomization into objects. It runs kustomize as a library:
// no plugins, no Helm, no programs except git for remote bases where these are allowed.
package kustomize

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/api/resource"
	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/kustomize/kyaml/openapi"

	"fleetloop.dev/engine/internal/mask"
)

// BuildArgs are the arguments of the verb kustomize.build.
type BuildArgs struct {
	Root             string            `json:"root"` // absolute path of the source tree
	Path             string            `json:"path"` // of the kustomization, below root
	Settings         Settings          `json:"settings"`
	Overlay          map[string][]byte `json:"overlay"` // path below root -> content (base64) that replaces the file's
	AllowRemoteBases bool              `json:"allowRemoteBases"`
	MaxObjects       int               `json:"maxObjects"` // 0: no limit
	MaxBytes         int               `json:"maxBytes"`   // of all objects as JSON; 0: no limit
}

// BuildResult has the objects in kustomize's order, and for each the file it comes from, below the root; "" if unknown.
type BuildResult struct {
	Objects []json.RawMessage `json:"objects"`
	Files   []string          `json:"files"`
}

// built is what kustomize made. told: the user wants to see the origin annotations.
type built struct {
	resources []*resource.Resource
	told      bool
}

// kustomize keeps the OpenAPI schema in package variables. Builds that name a schema of their own run alone, between two
// resets; all others share the built-in one and run side by side.
var (
	schema      sync.RWMutex
	loadBuiltin sync.Once
)

var errOwnSchema = errors.New("the build names an OpenAPI schema")

// Build is the verb kustomize.build. Contract: source-kustomize.md 8.3, 8.4.
func Build(ctx context.Context, args BuildArgs) (BuildResult, error) {
	objects, err := buildShared(ctx, args)
	if errors.Is(err, errOwnSchema) {
		objects, err = buildAlone(ctx, args)
	}
	if ctx.Err() != nil {
		return BuildResult{}, ctx.Err()
	}
	if err != nil {
		for _, content := range args.Overlay { // decrypted sources
			err = mask.Error(err, mask.Lines(content)...)
		}
		return BuildResult{}, err
	}
	return expand(objects, args)
}

func buildShared(ctx context.Context, args BuildArgs) (built, error) {
	schema.RLock()
	defer schema.RUnlock()
	loadBuiltin.Do(func() { openapi.Schema() }) // later reads of the schema find it complete, and need no lock
	return build(ctx, args, true)
}

func buildAlone(ctx context.Context, args BuildArgs) (built, error) {
	schema.Lock()
	defer schema.Unlock()
	openapi.ResetOpenAPI()
	defer func() {
		openapi.ResetOpenAPI()
		openapi.Schema()
	}()
	return build(ctx, args, false)
}

func build(ctx context.Context, args BuildArgs, shared bool) (result built, err error) {
	defer func() { // kustomize panics on some odd names and patches
		if cause := recover(); cause != nil {
			err = fmt.Errorf("kustomize build failed: kustomize gave up: %v", cause)
		}
	}()
	clones := ""
	if args.AllowRemoteBases {
		clones = os.TempDir()
	}
	files, err := newBoundedFS(ctx, args.Root, clones)
	if err != nil {
		return built{}, fmt.Errorf("source tree: %w", err)
	}
	dir, err := locate(files, args)
	if err != nil {
		return built{}, err
	}
	for path, content := range args.Overlay {
		files.put(filepath.Join(files.root, path), content)
	}
	// kustomize tries another way after a failed read and may report only that; the first refusal is the cause.
	var refusal error
	var secrets []string
	defer func() {
		if err != nil {
			err = mask.Error(err, secrets...)
		}
	}()
	files.inspect = func(path string, content []byte) error {
		secrets = append(secrets, secretsIn(path, content)...)
		if err := inspect(path, content, args.AllowRemoteBases, shared); err != nil && refusal == nil {
			refusal = err
		}
		return refusal
	}
	told, err := amend(files, dir, args.Settings)
	if err != nil {
		return built{}, err
	}
	options := &krusty.Options{
		LoadRestrictions: types.LoadRestrictionsNone, // boundedFS is the restriction
		PluginConfig:     types.DisabledPluginConfig(),
	}
	resources, err := run(files, dir, options)
	if refusal != nil {
		err = refusal
	}
	if err != nil {
		return built{}, fmt.Errorf("kustomize build failed: %w", err)
	}
	return built{resources, told}, nil
}

// secretsIn are those that stand in the remote references of a kustomization file.
func secretsIn(path string, content []byte) []string {
	var k types.Kustomization
	if !isKustomizationFile(path) || k.Unmarshal(content) != nil {
		return nil
	}
	var secrets []string
	for _, reference := range references(&k) {
		if isRemote(reference) {
			secrets = append(secrets, secretsOf(reference)...)
		}
	}
	return secrets
}

func locate(files *boundedFS, args BuildArgs) (string, error) {
	dir := filepath.Join(files.root, filepath.Join("/", args.Path))
	resolved, err := files.real(dir)
	if err != nil {
		var missing *os.PathError
		if errors.As(err, &missing) {
			err = &os.PathError{Op: "stat", Path: dir, Err: missing.Err}
		}
		return "", fmt.Errorf("kustomization path not found: %w", err)
	}
	if !files.IsDir(resolved) {
		return "", fmt.Errorf("kustomization path '%s' is not a directory", dir)
	}
	return resolved, nil
}

// inspect sees every file that kustomize reads, before kustomize does.
func inspect(path string, content []byte, allowRemote, shared bool) error {
	if err := checkAliases(path, content); err != nil {
		return err
	}
	var k types.Kustomization
	if !isKustomizationFile(path) || k.Unmarshal(content) != nil {
		return nil // kustomize reads it with the same function, and has the better message
	}
	if shared && len(k.OpenAPI) > 0 {
		return errOwnSchema
	}
	if err := checkInline(path, &k); err != nil {
		return err
	}
	return checkRemote(path, &k, allowRemote)
}
