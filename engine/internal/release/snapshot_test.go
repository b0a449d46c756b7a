package release

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"

	chart "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/release/common"
	v1 "helm.sh/helm/v4/pkg/release/v1"
)

func released(hooks ...*v1.Hook) *v1.Release {
	return &v1.Release{
		Name:      "app",
		Namespace: "team",
		Version:   3,
		Info:      &v1.Info{Status: common.StatusDeployed, Description: "a & b"},
		Chart:     &chart.Chart{Metadata: &chart.Metadata{Name: "web", Version: "1.0.0"}},
		Config:    map[string]any{"b": 1, "a": "x"},
		Manifest:  "kind: ConfigMap\n",
		Hooks:     hooks,
	}
}

func digest(t *testing.T, release *v1.Release, digests Digests) string {
	t.Helper()
	found, err := digestOf(release, digests)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// HN10: the digest is that of one line of Go's JSON with these fields in this order, so that either controller knows the other's
// releases.
func TestTheDigestCoversTheseFieldsInThisOrder(t *testing.T) {
	line := `{"name":"app","version":3,"info":{"description":"a \u0026 b","status":"deployed"},` +
		`"chartMetadata":{"name":"web","version":"1.0.0"},"config":{"a":"x","b":1},"manifest":"kind: ConfigMap\n","hooks":null,` +
		`"namespace":"team"}` + "\n"
	sum := sha256.Sum256([]byte(line))
	if got, want := digest(t, released(), Digests{}), "sha256:"+hex.EncodeToString(sum[:]); got != want {
		t.Errorf("%s, not %s", got, want)
	}
}

func TestTestHooksAreNoPartOfTheDigest(t *testing.T) {
	plain := digest(t, released(), Digests{})
	tested := &v1.Hook{Name: "t", Events: []v1.HookEvent{v1.HookTest}}
	if digest(t, released(tested), Digests{}) != plain {
		t.Error("a test hook counts")
	}
	if digest(t, released(&v1.Hook{Name: "h", Events: []v1.HookEvent{v1.HookPreInstall}}), Digests{}) == plain {
		t.Error("another hook does not count")
	}
}

func TestOCIDigestsByVersion(t *testing.T) {
	plain := digest(t, released(), Digests{})
	known := digest(t, released(), Digests{OCI: map[int]string{3: "sha256:a"}, NewOCI: "sha256:b"})
	fresh := digest(t, released(), Digests{NewOCI: "sha256:a"})
	if known == plain || known != fresh {
		t.Errorf("%s, %s, %s", plain, known, fresh)
	}
	empty := released()
	empty.Config = map[string]any{}
	none := released()
	none.Config = nil
	if digest(t, empty, Digests{}) != digest(t, none, Digests{}) {
		t.Error("storage does not keep empty values: the digest must not see them")
	}
	for _, algorithm := range []string{"sha384", "sha512"} {
		if !strings.HasPrefix(digest(t, released(), Digests{Algorithm: algorithm}), algorithm+":") {
			t.Error(algorithm)
		}
	}
	if _, err := digestOf(released(), Digests{Algorithm: "md5"}); err == nil {
		t.Error("md5")
	}
}
