package kustomize

import (
	"reflect"
	"testing"

	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/kustomize/kyaml/resid"
)

func selector(kind, name string) *types.Selector {
	return &types.Selector{ResId: resid.ResId{Gvk: resid.Gvk{Version: "v1", Kind: kind}, Name: name}}
}

func TestMergeImage(t *testing.T) {
	file := []types.Image{{Name: "app", NewName: "r/app", NewTag: "1", TagSuffix: "-x"}, {Name: "other", Digest: "sha256:1"}}
	for name, c := range map[string]struct {
		wanted types.Image
		want   []types.Image
	}{
		"name alone keeps the tag": {types.Image{Name: "app", NewName: "q/app"}, []types.Image{{Name: "app", NewName: "q/app", NewTag: "1", TagSuffix: "-x"}, file[1]}},
		"a digest drops the tag":   {types.Image{Name: "app", Digest: "sha256:2"}, []types.Image{{Name: "app", NewName: "r/app", Digest: "sha256:2", TagSuffix: "-x"}, file[1]}},
		"a tag drops the digest":   {types.Image{Name: "other", NewTag: "2"}, []types.Image{file[0], {Name: "other", NewTag: "2"}}},
		"a new one is added":       {types.Image{Name: "new", NewTag: "3"}, append(file[:2:2], types.Image{Name: "new", NewTag: "3"})},
	} {
		got := mergeImage(append([]types.Image{}, file...), c.wanted)
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestIsLocalRelative(t *testing.T) {
	for path, want := range map[string]bool{
		"../c": true, "c": true, "/c": false, "https://x/c": false, "git::x": false, "github.com/o/r": false, "git@host:o/r": false,
		"ssh://x": false, "github.company/x": true,
	} {
		if isLocalRelative(path) != want {
			t.Error(path)
		}
	}
}
