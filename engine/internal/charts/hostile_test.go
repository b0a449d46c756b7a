package charts

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// packed is a chart package of these entries; a content that begins with "-> " makes a link.
func packed(t *testing.T, entries map[string]string) Source {
	t.Helper()
	var out bytes.Buffer
	zipped := gzip.NewWriter(&out)
	writer := tar.NewWriter(zipped)
	for name, content := range entries {
		header := &tar.Header{Name: name, Mode: 0o600, Size: int64(len(content)), Typeflag: tar.TypeReg}
		if target, isLink := strings.CutPrefix(content, "-> "); isLink {
			header.Typeflag, header.Linkname, header.Size, content = tar.TypeSymlink, target, 0, ""
		}
		if err := writer.WriteHeader(header); err != nil {
			t.Fatal(err)
		}
		if _, err := writer.Write([]byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	if err := zipped.Close(); err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "web.tgz"), out.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return Source{Root: folder, Path: "web.tgz"}
}

func metadata(name, version string) string {
	return "apiVersion: v2\nname: \"" + name + "\"\nversion: \"" + version + "\"\n"
}

// CVE-2025-53547, -2026-35206, GHSA-v53g-5gjp-272r: names of charts and of what is in them stay inside the folder that was given.
func TestHostilePackages(t *testing.T) {
	for _, c := range []struct {
		name    string
		entries map[string]string
		problem string
	}{
		{"name with a path", map[string]string{"web/Chart.yaml": metadata("../../web", "1.0.0")}, "chart.metadata.name"},
		{"name is a dot", map[string]string{"web/Chart.yaml": metadata(".", "1.0.0")}, "chart.metadata.name"},
		{"name is two dots", map[string]string{"web/Chart.yaml": metadata("..", "1.0.0")}, "chart.metadata.name"},
		{"version with a path", map[string]string{"web/Chart.yaml": metadata("web", "1.0.0/../../x")}, "chart.metadata.version"},
		{"entry outside", map[string]string{"web/Chart.yaml": metadata("web", "1.0.0"), "web/../../x": "x"}, "illegal"},
		{"absolute entry", map[string]string{"/web/Chart.yaml": metadata("web", "1.0.0"), "/etc/x": "x"}, ""},
		{"no Chart.yaml", map[string]string{"web/values.yaml": "a: 1\n"}, "Chart.yaml"},
		{"Chart.yaml is a list", map[string]string{"web/Chart.yaml": "[1]"}, "cannot unmarshal"},
		{"a dependency that is null", map[string]string{"web/Chart.yaml": metadata("web", "1.0.0") + "dependencies: [null]\n"}, "dependencies must not contain empty"},
		{"a bomb", map[string]string{"web/Chart.yaml": metadata("web", "1.0.0"), "web/bomb": strings.Repeat("\x00", 200<<20)}, "larger than the maximum"},
		{"YAML aliases", map[string]string{"web/Chart.yaml": metadata("web", "1.0.0"), "web/values.yaml": aliases()}, ""},
	} {
		source := packed(t, c.entries)
		into := t.TempDir()
		made, err := Build(context.Background(), BuildArgs{Source: source, ValuesFiles: []string{"values.yaml"}, IgnoreMissing: true, Metadata: "1", Into: into})
		said := made.Error
		if err != nil {
			said = err.Error()
		}
		if c.problem != "" && !strings.Contains(said, c.problem) {
			t.Errorf("%s: %+v %v", c.name, made, err)
		}
		if made.Path != "" && filepath.Dir(made.Path) != into {
			t.Errorf("%s: written to %s", c.name, made.Path)
		}
		for _, outside := range []string{filepath.Join(into, "..", "x"), "/etc/x"} {
			if _, err := os.Lstat(outside); err == nil {
				t.Errorf("%s: wrote %s", c.name, outside)
			}
		}
	}
}

func aliases() string {
	text := "a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
	for i := '1'; i <= '9'; i++ {
		previous := string(i - 1)
		text += "a" + string(i) + ": &a" + string(i) + " [" + strings.TrimSuffix(strings.Repeat("*a"+previous+", ", 9), ", ") + "]\n"
	}
	return text
}

// CVE-2025-53547: a Chart.lock that is a link is written through by those who update it, and read through by those who trust it.
func TestLinks(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret.yaml")
	if err := os.WriteFile(secret, []byte("dependencies: [{name: stolen, version: 1.0.0}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"Chart.lock", "values.yaml", "templates"} {
		root := chartFolder(t, nil)
		place := filepath.Join(root, "charts/web", name)
		if err := os.RemoveAll(place); err != nil {
			t.Fatal(err)
		}
		target := secret
		if name == "templates" {
			target = filepath.Dir(secret)
		}
		if err := os.Symlink(target, place); err != nil {
			t.Fatal(err)
		}
		if seen, err := Inspect(context.Background(), InspectArgs{Source{Root: root, Path: "charts/web"}}); err == nil {
			t.Errorf("%s: %+v", name, seen)
		}
	}
	inside := packed(t, map[string]string{"web/Chart.yaml": metadata("web", "1.0.0"), "web/values.yaml": "-> " + secret, "web/Chart.lock": "-> " + secret})
	made, err := Build(context.Background(), BuildArgs{Source: inside, ValuesFiles: []string{"values.yaml"}, Metadata: "1", Into: t.TempDir()})
	if err == nil && made.Problem == "" {
		content, _ := os.ReadFile(made.Path)
		unzipped, _ := gzip.NewReader(bytes.NewReader(content))
		var text bytes.Buffer
		_, _ = text.ReadFrom(unzipped)
		if strings.Contains(text.String(), "stolen") {
			t.Error("a link in a package was followed")
		}
	}
}

func TestLimits(t *testing.T) {
	root := chartFolder(t, map[string]string{"charts/web/big.txt": strings.Repeat("x", 4000)})
	if _, err := Inspect(context.Background(), InspectArgs{Source{root, "charts/web", Limits{Chart: 4000}}}); err == nil || !strings.Contains(err.Error(), "exceeds the limit of 4000 bytes") {
		t.Errorf("%v", err)
	}
	source := packed(t, map[string]string{"web/Chart.yaml": metadata("web", "1.0.0")})
	source.Limits.Chart = 10
	if _, err := Inspect(context.Background(), InspectArgs{source}); err == nil || !strings.Contains(err.Error(), "exceeds the limit of 10 bytes") {
		t.Errorf("%v", err)
	}
	if _, err := Inspect(context.Background(), InspectArgs{Source{root, "charts/web", Limits{Chart: 1 << 20, File: 1 << 20}}}); err != nil {
		t.Errorf("%v", err)
	}
}

// A dependency of the same tree must have a version in the range that is asked for; one outside of the tree is none.
func TestDependencies(t *testing.T) {
	root := chartFolder(t, map[string]string{"lib/Chart.yaml": metadata("lib", "1.4.0")})
	source := Source{Root: root, Path: "charts/web"}
	for _, c := range []struct{ path, version, problem string }{
		{"charts/web/../../lib", "1.x", ""},
		{"charts/web/../../lib", "", ""},
		{"charts/web/../../lib", "2.x", "not in '2.x'"},
		{"charts/web/../../lib", "latest", "invalid version range"},
		{"charts/web/../../../../../../etc", "", "no chart at"},
		{"charts/web/charts/lib", "", "no chart at"},
	} {
		wanted := []Wanted{{Source{Root: root, Path: c.path}, c.version}}
		made, err := Build(context.Background(), BuildArgs{Source: source, Dependencies: wanted, Into: t.TempDir()})
		if err != nil || (c.problem == "") != (made.Problem == "") || !strings.Contains(made.Error, c.problem) {
			t.Errorf("%+v: %+v %v", c, made, err)
		}
	}
}

// The lock's list replaces the chart's.
func TestLock(t *testing.T) {
	lock := "dependencies: [{name: lib, version: 1.2.9, repository: 'https://x.example'}]\ndigest: x\ngenerated: \"2026-01-01T00:00:00Z\"\n"
	root := chartFolder(t, map[string]string{"charts/web/Chart.lock": lock})
	seen, err := Inspect(context.Background(), InspectArgs{Source{Root: root, Path: "charts/web"}})
	if err != nil || len(seen.Missing) != 1 || seen.Missing[0].Version != "1.2.9" {
		t.Errorf("%+v %v", seen, err)
	}
}
