package message

import (
	"context"
	"strings"
	"testing"
	"time"
)

var deployment = ObjectIdentifier{APIVersion: "apps/v1", Kind: "Deployment", Namespace: "prod", Name: "app"}

func args(template string) RenderArgs {
	image := Image{Name: "ghcr.io/acme/app", Tag: "2.0.0"}
	policy := NamespacedName{"team", "app"}
	change := FileChange{"app.yaml", deployment, "1.0.0", "2.0.0", "team:app:tag", policy, image}
	again := change
	again.File = "other.yaml"
	again.Object.Name = "other"
	values := map[string]string{"cluster": "staging"}
	return RenderArgs{template, NamespacedName{"team", "update"}, values, []FileChange{change, again}}
}

func TestTemplates(t *testing.T) {
	for template, want := range map[string]string{
		"{{ .AutomationObject }} {{ .AutomationObject.Name }}":                                                          "team/update update",
		"{{ .Values.cluster | upper }} {{ index .Values \"none\" }}":                                                    "STAGING ",
		"{{ range .Changed.Changes }}{{ .Setter }} {{ .OldValue }} -> {{ .NewValue }};{{ end }}":                        "team:app:tag 1.0.0 -> 2.0.0;",
		"{{ range $o, $c := .Changed.Objects }}{{ $o.Kind }}/{{ $o.Name }} {{ len $c }} {{ end }}":                      "Deployment/app 1 Deployment/other 1 ",
		"{{ range $f, $o := .Changed.FileChanges }}{{ $f }} {{ end }}":                                                  "app.yaml other.yaml ",
		"{{ range .Updated.Images }}{{ . }} {{ .Repository }} {{ .Identifier }} {{ .Policy }}{{ end }}":                 "ghcr.io/acme/app:2.0.0 acme/app 2.0.0 team/app",
		"{{ range $f, $u := .Updated.Files }}{{ $f }}:{{ range $o, $_ := $u.Objects }}{{ $o.Name }}{{ end }} {{ end }}": "app.yaml:app other.yaml:other ",
		"{{ range $o, $i := .Updated.Objects }}{{ $o.Kind }}:{{ range $i }}{{ .Name }}{{ end }} {{ end }}":              "Deployment:ghcr.io/acme/app Deployment:ghcr.io/acme/app ",
		"{{ range .Changed.ImageResult.Images }}{{ .Registry }}{{ end }}":                                               "ghcr.io",
		"{{ \"a,b\" | splitList \",\" | last | quote }}":                                                                `"b"`,
	} {
		got, err := Render(context.Background(), args(template))
		if err != nil || got.Text != want {
			t.Errorf("%s: got %q, %v, want %q", template, got.Text, err, want)
		}
	}
}

func TestWhatCannotBeRendered(t *testing.T) {
	for template, want := range map[string]string{
		"{{ .Nothing }}":             "can't evaluate field Nothing",
		"{{ env \"HOME\" }}":         `function "env" not defined`,
		"{{ now }}":                  `function "now" not defined`,
		"{{ if }}":                   "missing value for if",
		"{{ repeat 2000000 \"x\" }}": "the message is too long",
	} {
		_, err := Render(context.Background(), args(template))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", template, err, want)
		}
	}
}

func TestEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	loop := "{{ define \"f\" }}{{ range untilStep 0 1000 1 }}.{{ end }}{{ end }}" +
		"{{ range untilStep 0 100000 1 }}{{ range untilStep 0 100000 1 }}{{ end }}x{{ end }}"
	if _, err := Render(ctx, args(loop)); err == nil {
		t.Error("it went on")
	}
}
