package charts

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const version = "  - apiVersion: v2\n    name: %[1]s\n    version: %[2]s\n    created: \"2026-01-01T00:00:00Z\"\n    urls: [%[1]s-%[2]s.tgz]\n"

func indexed(t *testing.T, text string) (string, error) {
	t.Helper()
	folder := t.TempDir()
	from, into := filepath.Join(folder, "in"), filepath.Join(folder, "out")
	if err := os.WriteFile(from, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Index(context.Background(), IndexArgs{from, into})
	made, _ := os.ReadFile(into)
	return string(made), err
}

// SK15: what is stored is JSON, sorted, without the versions that Helm would refuse; whatever form the index had.
func TestIndexForms(t *testing.T) {
	regular := "apiVersion: v1\nentries:\n  web:\n" + fmt.Sprintf(version, "web", "1.0.0") + fmt.Sprintf(version, "web", "1.10.0") +
		fmt.Sprintf(version, "web", "nonsense") + "  api:\n" + fmt.Sprintf(version, "api", "2.0.0") + "generated: \"2026-01-02T00:00:00Z\"\n"
	first, err := indexed(t, regular)
	if err != nil {
		t.Fatal(err)
	}
	api, ten, one := strings.Index(first, `"api": [`), strings.Index(first, `"version": "1.10.0"`), strings.Index(first, `"version": "1.0.0"`)
	if api < 0 || api > ten || ten > one || strings.Contains(first, "nonsense") || !strings.Contains(first, `"generated": "2026-01-02T00:00:00Z"`) {
		t.Errorf("%s", first)
	}
	for name, other := range map[string]string{
		"JSON":  first,
		"flow":  "{apiVersion: v1, generated: '2026-01-02T00:00:00Z', entries: {web: [{apiVersion: v2, name: web, version: 1.10.0, created: '2026-01-01T00:00:00Z', urls: [web-1.10.0.tgz]}, {apiVersion: v2, name: web, version: 1.0.0, created: '2026-01-01T00:00:00Z', urls: [web-1.0.0.tgz]}], api: [{apiVersion: v2, name: api, version: 2.0.0, created: '2026-01-01T00:00:00Z', urls: [api-2.0.0.tgz]}]}}",
		"CRLF?": regular,
	} {
		if again, err := indexed(t, other); err != nil || again != first {
			t.Errorf("%s: %v\n%s", name, err, again)
		}
	}
}

func TestBadIndexes(t *testing.T) {
	for name, text := range map[string]string{
		"no apiVersion": "entries:\n  a:\n" + fmt.Sprintf(version, "a", "1.0.0"),
		"unknown key":   "apiVersion: v1\nfoo: 1\nentries:\n  a:\n" + fmt.Sprintf(version, "a", "1.0.0"),
		"HTML":          "<html></html>",
		"twice":         "apiVersion: v1\nentries:\n  a:\n" + fmt.Sprintf(version, "a", "1.0.0") + "  a:\n" + fmt.Sprintf(version, "a", "1.0.0"),
	} {
		if made, err := indexed(t, text); err == nil {
			t.Errorf("%s passed: %s", name, made)
		}
	}
}

func chartFolder(t *testing.T, extra map[string]string) string {
	t.Helper()
	folder := t.TempDir()
	files := map[string]string{
		"charts/web/Chart.yaml":          "apiVersion: v2\nname: web\nversion: 1.2.3\ndependencies: [{name: lib, version: 1.x, repository: 'https://x.example'}]\n",
		"charts/web/values.yaml":         "a: {b: 1, c: 1}\n",
		"charts/web/templates/x.yaml":    "kind: X\n",
		"charts/web/values-prod.yaml":    "a: {b: 2}\n",
		"environments/staging/over.yaml": "a: {d: 4}\n",
	}
	for name, text := range extra {
		files[name] = text
	}
	for name, text := range files {
		path := filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

// SK16: the build metadata of the version is replaced, and values files replace the chart's values as a whole.
func TestBuild(t *testing.T) {
	root := chartFolder(t, nil)
	source := Source{Root: root, Path: "charts/web"}
	seen, err := Inspect(context.Background(), InspectArgs{source})
	if err != nil || len(seen.Missing) != 1 || seen.Missing[0].Repository != "https://x.example" || !seen.IsFolder {
		t.Fatalf("%+v %v", seen, err)
	}
	var digests []string
	for range 2 {
		made, err := Build(context.Background(), BuildArgs{
			Source: source, ValuesRoot: root, ValuesFiles: []string{"charts/web/values-prod.yaml", "environments/staging/over.yaml", "none.yaml"},
			IgnoreMissing: true, Metadata: "abcdef123456.4", Into: t.TempDir(),
		})
		if err != nil || made.Problem != "" || made.Version != "1.2.3+abcdef123456.4" || len(made.ValuesFiles) != 2 {
			t.Fatalf("%+v %v", made, err)
		}
		content, _ := os.ReadFile(made.Path)
		digests = append(digests, string(content))
		packed, _, err := Source{Root: filepath.Dir(made.Path), Path: filepath.Base(made.Path)}.load()
		if err != nil || fmt.Sprint(packed.Values) != "map[a:map[b:2 d:4]]" {
			t.Errorf("%v %v", packed.Values, err)
		}
	}
	if digests[0] != digests[1] {
		t.Error("two builds of the same chart differ")
	}
}

func TestRefusedBuilds(t *testing.T) {
	root := chartFolder(t, map[string]string{"old/Chart.yaml": "apiVersion: v1\nname: old\nversion: v1.2\n"})
	for _, c := range []struct {
		args    BuildArgs
		problem string
	}{
		{BuildArgs{Source: Source{Root: root, Path: "charts/web"}, ValuesRoot: root, ValuesFiles: []string{"none.yaml"}}, "values"},
		{BuildArgs{Source: Source{Root: root, Path: "charts/web"}, ValuesRoot: root, ValuesFiles: []string{"../../../../etc/passwd"}}, "values"},
		{BuildArgs{Source: Source{Root: root, Path: "old"}, Metadata: "a"}, "metadata"},
	} {
		c.args.Into = t.TempDir()
		if made, err := Build(context.Background(), c.args); err != nil || made.Problem != c.problem {
			t.Errorf("%+v: %+v %v", c.args, made, err)
		}
	}
	if _, err := Build(context.Background(), BuildArgs{Source: Source{Root: root, Path: "../.."}, Into: t.TempDir()}); err == nil {
		t.Error("a chart outside the root passed")
	}
}
