package release

import (
	"encoding/json"
	"strings"
	"testing"

	"fleetloop.dev/engine/internal/mask"
)

func inline(t *testing.T, text string) map[string]any {
	t.Helper()
	var values map[string]any
	if err := json.Unmarshal([]byte(text), &values); err != nil {
		t.Fatal(err)
	}
	return values
}

// HN4: inline values are merged before a target path and again at the end, so that who wins depends on what is shared.
func TestTargetPathsAndInlineValues(t *testing.T) {
	target := func(path string) Layer { return Layer{Content: "target", TargetPath: path} }
	for name, c := range map[string]struct {
		layers []Layer
		inline string
		want   string
	}{
		"top level: inline wins":                {[]Layer{target("b")}, `{"b": "inline"}`, `{"b":"inline"}`},
		"nested: the target path wins":          {[]Layer{target("a.b")}, `{"a": {"b": "inline"}}`, `{"a":{"b":"target"}}`},
		"an earlier map parts them: inline":     {[]Layer{{Content: "a: {c: 1}"}, target("a.b")}, `{"a": {"b": "inline"}}`, `{"a":{"b":"inline","c":1}}`},
		"no inline: the later reference wins":   {[]Layer{target("a.b"), {Content: "a: {b: later}"}}, `{}`, `{"a":{"b":"later"}}`},
		"documents merge deeply, lists replace": {[]Layer{{Content: "a: {x: [1], z: 1}"}, {Content: "a: {x: [2]}"}}, `{}`, `{"a":{"x":[2],"z":1}}`},
	} {
		values, err := Values{c.layers, inline(t, c.inline)}.merged()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got, _ := json.Marshal(values)
		if string(got) != c.want {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestTargetPathValues(t *testing.T) {
	for content, want := range map[string]string{"5": `{"a":5}`, "'5'": `{"a":"5"}`, `"5"`: `{"a":"5"}`, "true": `{"a":true}`} {
		values, err := Values{Layers: []Layer{{Content: content, TargetPath: "a"}}}.merged()
		got, _ := json.Marshal(values)
		if err != nil || string(got) != want {
			t.Errorf("%s: %s %v", content, got, err)
		}
	}
	values, err := Values{Layers: []Layer{{Content: "x,y={1,2}", TargetPath: "a", Literal: true}}}.merged()
	if err != nil || values["a"] != "x,y={1,2}" {
		t.Errorf("literal: %v %v", values, err)
	}
}

func TestABadLayerIsNamedAndNotQuoted(t *testing.T) {
	for _, layer := range []Layer{{Content: "hunter2: [}"}, {Content: "{hunter2", TargetPath: "a[99999999]"}} {
		_, err := Values{Layers: []Layer{{Content: "a: 1"}, layer}}.merged()
		blamed, ok := err.(*LayerError)
		if !ok || blamed.Layer != 1 || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%v", err)
		}
	}
}

// HN5: the digest covers YAML text with ordered keys and whole numbers; that of no values is that of no bytes.
func TestDigestOfValues(t *testing.T) {
	for text, want := range map[string]string{
		`{}`:                  "sha256:e3b0c442",
		`{"replicaCount": 2}`: "sha256:e15c415d",
	} {
		digest, err := digestOfValues(inline(t, text), "")
		if err != nil || !strings.HasPrefix(digest, want) {
			t.Errorf("%s: %s %v", text, digest, err)
		}
	}
	text, err := canonical(inline(t, `{"b": [{"d": 1.0, "c": 1.5}], "a10": 1, "a2": "x"}`))
	if want := "a2: x\n"; err != nil || !strings.Contains(string(text), "a10: 1\n"+want+"b:\n- c: 1.5\n  d: 1\n") {
		t.Errorf("%s %v", text, err)
	}
}

// GO-2025-3927: what comes from Secrets is quoted by nobody.
func TestSecretsOfValues(t *testing.T) {
	values := Values{Layers: []Layer{
		{Content: "a: {b: [hunter2, 12345, true, null]}\nc: hunter22", Secret: true},
		{Content: "'opensesame'", TargetPath: "d", Secret: true},
		{Content: "e: public"},
		{Content: "f: [", Secret: true},
	}}
	told := mask.Text("hunter22 hunter2 12345 true opensesame public", values.secrets()...)
	if told != "*** *** *** true *** public" {
		t.Fatal(told)
	}
}
