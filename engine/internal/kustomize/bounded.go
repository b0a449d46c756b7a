package kustomize

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"sigs.k8s.io/kustomize/kyaml/filesys"
)

// maxFile bounds one source file, in bytes. etcd takes objects of 1.5 MiB; generators may read larger ones.
const maxFile = 32 << 20

var errReadOnly = errors.New("the source tree is read-only")

// boundedFS is what kustomize sees of the disk: everything at or below root, with an overlay of files that exist only in
// memory (the amended kustomization.yaml, decrypted sources). Symbolic links are followed, but only to places inside.
// It ends a build whose call is over: kustomize cannot be interrupted, except by a failing read.
type boundedFS struct {
	ctx     context.Context
	root    string            // absolute, links resolved
	clones  string            // where remote bases are cloned to, "" when they are refused
	overlay map[string][]byte // absolute path -> content
	inspect func(path string, content []byte) error
}

func newBoundedFS(ctx context.Context, root, clones string) (*boundedFS, error) {
	real, err := filepath.EvalSymlinks(root)
	if err != nil {
		return nil, err
	}
	if !filepath.IsAbs(real) {
		return nil, fmt.Errorf("root '%s' is not absolute", root)
	}
	return &boundedFS{
		ctx:     ctx,
		root:    real,
		clones:  clones,
		overlay: map[string][]byte{},
		inspect: func(string, []byte) error { return nil },
	}, nil
}

func isBelow(path, dir string) bool {
	return path == dir || strings.HasPrefix(path, dir+string(filepath.Separator))
}

// real resolves links and refuses what is outside. Contract: source-kustomize.md 8.4.
func (b *boundedFS) real(path string) (string, error) {
	if err := b.ctx.Err(); err != nil {
		return "", err
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(b.root, path)
	}
	path = filepath.Clean(path)
	if err := b.check(path, path); err != nil {
		return "", err
	}
	if _, ok := b.overlay[path]; ok {
		return path, nil
	}
	resolved, err := filepath.EvalSymlinks(path)
	if err != nil {
		return "", err
	}
	return resolved, b.check(path, resolved)
}

func (b *boundedFS) check(asked, resolved string) error {
	if isBelow(resolved, b.root) || b.clones != "" && isBelow(resolved, b.clones) {
		return nil
	}
	return fmt.Errorf("path '%s' is not in or below '%s'", asked, b.root)
}

func (b *boundedFS) put(path string, content []byte) { b.overlay[filepath.Clean(path)] = content }

func (b *boundedFS) ReadFile(path string) ([]byte, error) {
	resolved, err := b.real(path)
	if err != nil {
		return nil, err
	}
	content, ok := b.overlay[resolved]
	if !ok {
		if content, err = readRegular(resolved); err != nil {
			return nil, err
		}
	}
	return content, b.inspect(resolved, content)
}

// readRegular reads no device, no pipe and nothing larger than maxFile.
func readRegular(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() && !info.IsDir() { // for a folder the system's own message is the known one
		return nil, fmt.Errorf("'%s' is not a regular file", path)
	}
	if info.Size() > maxFile {
		return nil, fmt.Errorf("'%s' has %d bytes, the limit is %d", path, info.Size(), maxFile)
	}
	return os.ReadFile(path)
}

func (b *boundedFS) Exists(path string) bool {
	_, err := b.real(path)
	return err == nil
}

func (b *boundedFS) IsDir(path string) bool {
	resolved, err := b.real(path)
	if err != nil {
		return false
	}
	info, err := os.Stat(resolved)
	return err == nil && info.IsDir()
}

// CleanedAbs splits a path into directory and file, links resolved; for a directory the file is "".
func (b *boundedFS) CleanedAbs(path string) (filesys.ConfirmedDir, string, error) {
	resolved, err := b.real(path)
	if err != nil {
		return "", "", err
	}
	if b.IsDir(resolved) {
		return filesys.ConfirmedDir(resolved), "", nil
	}
	return filesys.ConfirmedDir(filepath.Dir(resolved)), filepath.Base(resolved), nil
}

func (b *boundedFS) ReadDir(path string) ([]string, error) {
	resolved, err := b.real(path)
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(resolved)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(entries))
	for i, entry := range entries {
		names[i] = entry.Name()
	}
	return names, nil
}

// Walk goes over the tree in lexical order and follows no links.
func (b *boundedFS) Walk(path string, visit filepath.WalkFunc) error {
	resolved, err := b.real(path)
	if err != nil {
		return err
	}
	return filepath.Walk(resolved, func(path string, info fs.FileInfo, err error) error {
		if ctxErr := b.ctx.Err(); ctxErr != nil {
			return ctxErr
		}
		return visit(path, info, err)
	})
}

// RemoveAll serves kustomize's cleaning of its clones, nothing else.
func (b *boundedFS) RemoveAll(path string) error {
	if b.clones != "" && path != b.clones && isBelow(filepath.Clean(path), b.clones) {
		return os.RemoveAll(path)
	}
	return errReadOnly
}

func (b *boundedFS) Open(string) (filesys.File, error)   { return nil, errReadOnly }
func (b *boundedFS) Create(string) (filesys.File, error) { return nil, errReadOnly }
func (b *boundedFS) Mkdir(string) error                  { return errReadOnly }
func (b *boundedFS) MkdirAll(string) error               { return errReadOnly }
func (b *boundedFS) WriteFile(string, []byte) error      { return errReadOnly }
func (b *boundedFS) Glob(string) ([]string, error)       { return nil, errReadOnly }
