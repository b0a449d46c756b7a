package kustomize

import (
	"context"
	"os"
	"path/filepath"
	"testing"
)

func BenchmarkSmallBuild(b *testing.B) {
	root := b.TempDir()
	for name, content := range map[string]string{
		"a.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n",
		"b.yaml": "apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: a}\n",
	} {
		if err := os.WriteFile(filepath.Join(root, name), []byte(content), 0o600); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		if _, err := Build(context.Background(), BuildArgs{Root: root, Settings: Settings{TargetNamespace: "x"}}); err != nil {
			b.Fatal(err)
		}
	}
}
