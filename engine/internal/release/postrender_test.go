package release

import (
	"bytes"
	"strings"
	"testing"

	"sigs.k8s.io/kustomize/api/types"
)

// Contract: helm-notification-image.md 2.13: kustomizations in order, then common metadata, then the origin's labels, which win.
func TestPostRenderersOriginWins(t *testing.T) {
	patch := func(value string) Kustomization {
		return Kustomization{Patches: []types.Patch{{
			Patch: "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, labels: {who: " + value + ", step: " + value + "}}\n",
		}}}
	}
	render := PostRender{
		Kustomizations: []Kustomization{patch("first"), patch("second")},
		Labels:         map[string]string{"who": "common", "origin": "common"},
		Annotations:    map[string]string{"note": "common"},
		Origin:         map[string]string{"origin": "release"},
	}
	out, err := render.Run(bytes.NewBufferString("# a comment\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {x: \"---\"}\n"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"step: second", "who: common", "origin: release", "note: common", "x: ---"} {
		if !strings.Contains(strings.NewReplacer(`"`, "", "'", "").Replace(out.String()), want) {
			t.Errorf("no %s in\n%s", want, out)
		}
	}
}

func TestNothingRenderedStaysNothing(t *testing.T) {
	render := PostRender{Kustomizations: []Kustomization{{}}, Origin: map[string]string{"a": "b"}}
	out, err := render.Run(bytes.NewBufferString("\n"))
	if err != nil || strings.TrimSpace(out.String()) != "" {
		t.Errorf("%q %v", out, err)
	}
}
