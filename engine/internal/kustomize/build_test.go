package kustomize

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

const configMap = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {a: \"1\"}\n"

// tree writes files (path -> content; a content "-> x" makes a link to x) to a folder of the test.
func tree(t testing.TB, files map[string]string) string {
	t.Helper()
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if target, ok := strings.CutPrefix(content, "-> "); ok {
			err = os.Symlink(target, path)
		} else {
			err = os.WriteFile(path, []byte(content), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func show(objects []json.RawMessage) string {
	var lines []string
	for _, object := range objects {
		lines = append(lines, string(object))
	}
	return strings.Join(lines, "\n")
}

// The file of each object is told beside it, and the object is as if nobody had asked.
func TestFiles(t *testing.T) {
	for name, c := range map[string]struct {
		files  map[string]string
		path   string
		want   string
		object string
	}{
		"found by itself": {files: map[string]string{"deep/a.yaml": configMap}, want: "[deep/a.yaml]"},
		"of a base, and generated": {
			files: map[string]string{
				"app/kustomization.yaml": "resources: [../base]\nconfigMapGenerator: [{name: g, literals: [a=b]}]\n",
				"base/sub/a.yaml":        configMap, "base/kustomization.yaml": "resources: [sub/a.yaml]\n",
			},
			path: "./app", want: "[base/sub/a.yaml app/kustomization.yaml]",
		},
		"the items of a list": {
			files: map[string]string{"a.yaml": "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Secret, metadata: {name: a}}\n- {apiVersion: v1, kind: Secret, metadata: {name: b}}\n"},
			want:  "[a.yaml a.yaml]",
		},
		"whose annotation is wanted": {
			files: map[string]string{"a.yaml": configMap, "kustomization.yaml": "resources: [a.yaml]\nbuildMetadata: [originAnnotations]\n"},
			want:  "[a.yaml]", object: `"config.kubernetes.io/origin":"path: a.yaml\n"`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			result, err := Build(context.Background(), BuildArgs{Root: tree(t, c.files), Path: c.path})
			if err != nil {
				t.Fatal(err)
			}
			if got := fmt.Sprint(result.Files); got != c.want {
				t.Errorf("files %s, want %s", got, c.want)
			}
			shown := show(result.Objects)
			if c.object == "" && strings.Contains(shown, "annotations") || !strings.Contains(shown, c.object) {
				t.Errorf("objects: %s", shown)
			}
		})
	}
}

func TestBuild(t *testing.T) {
	for name, c := range map[string]struct {
		files    map[string]string
		args     BuildArgs
		want     []string // all of these are in the result, or in the error
		unwanted []string
		fails    bool
	}{
		"files without a kustomization are found, other folders' kustomizations stand for them": {
			files: map[string]string{
				"a/one.yaml": configMap, "a/deep/two.yml": strings.Replace(configMap, "settings", "two", 1),
				"a/base/kustomization.yaml": "namePrefix: p-\nresources: [../../three.yaml]\n",
				"three.yaml":                strings.Replace(configMap, "settings", "three", 1), "a/base/not.yaml": "kind: [", "a/x.txt": "x",
			},
			args: BuildArgs{Path: "./a"},
			want: []string{`"settings"`, `"two"`, `"p-three"`},
		},
		"a stray YAML file breaks the build": {
			files: map[string]string{"a.yaml": configMap, "values.yaml": "replicas: 1\n"}, fails: true,
			want: []string{"failed to decode Kubernetes YAML from ", "/values.yaml: "},
		},
		"a typo in apiVersion names file and object": {
			files: map[string]string{"a.yaml": strings.Replace(configMap, "apiVersion", "apiversion", 1)}, fails: true,
			want: []string{`a.yaml: failed to decode Kubernetes apiVersion, kind and name from: {"apiversion":"v1","kind":"ConfigMap","metadata":{"name":"settings"}}`},
		},
		"an empty folder builds to nothing": {files: map[string]string{"a/.keep": ""}, args: BuildArgs{Path: "a"}},
		"a missing path": {
			files: map[string]string{}, args: BuildArgs{Path: "./nope"}, fails: true,
			want: []string{"kustomization path not found: stat ", "/nope: no such file or directory"},
		},
		"settings replace and append": {
			files: map[string]string{
				"kustomization.yaml": "namespace: old\nnamePrefix: old-\nresources: [cm.yaml]\npatches:\n- patch: '[{\"op\": \"add\", \"path\": \"/data/first\", \"value\": \"x\"}]'\n  target: {kind: ConfigMap}\n",
				"cm.yaml":            configMap,
			},
			args: BuildArgs{Settings: Settings{TargetNamespace: "new", NamePrefix: "p-", NameSuffix: "-s", Patches: []Patch{{
				Patch: "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {second: \"y\"}\n",
			}}}},
			want: []string{`"name":"p-settings-s"`, `"namespace":"new"`, `"first":"x"`, `"second":"y"`},
		},
		"the old patches": {
			files: map[string]string{"cm.yaml": configMap},
			args: BuildArgs{Settings: Settings{
				PatchesStrategicMerge: []json.RawMessage{[]byte(`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"settings"},"data":{"m":"1"}}`)},
				PatchesJSON6902:       []JSON6902Patch{{Patch: []byte(`[{"op":"add","path":"/data/j","value":"2"}]`), Target: selector("ConfigMap", "settings")}},
			}},
			want: []string{`"m":"1"`, `"j":"2"`},
		},
		"generators and components alone tell the origin": {
			files: map[string]string{"kustomization.yaml": "configMapGenerator:\n- name: g\n  literals: [a=b]\n"},
			want:  []string{"config.kubernetes.io/origin", "configuredIn: kustomization.yaml"},
		},
		"unless the settings say otherwise": {
			files:    map[string]string{"kustomization.yaml": "configMapGenerator:\n- name: g\n  literals: [a=b]\n"},
			args:     BuildArgs{Settings: Settings{BuildMetadata: []string{"managedByLabel"}}},
			want:     []string{"app.kubernetes.io/managed-by"},
			unwanted: []string{"config.kubernetes.io/origin"},
		},
		"components of the settings, missing ones ignored": {
			files: map[string]string{
				"app/cm.yaml": configMap, "app/kustomization.yaml": "resources: [cm.yaml]\n",
				"c/kustomization.yaml": "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\nnameSuffix: -c\n",
			},
			args: BuildArgs{Path: "app", Settings: Settings{Components: []string{"../c", "../nope"}, IgnoreMissingComponents: true}},
			want: []string{"settings-c"},
		},
		"components must be local": {
			files: map[string]string{"cm.yaml": configMap}, fails: true,
			args: BuildArgs{Settings: Settings{Components: []string{"https://example.com/x"}}, AllowRemoteBases: true},
			want: []string{"component path 'https://example.com/x' must be local and relative"},
		},
		"lists are expanded and kustomize's own configuration is dropped": {
			files: map[string]string{
				"kustomization.yaml": "resources: [list.yaml]\n",
				"list.yaml": "apiVersion: v1\nkind: List\nitems:\n- " + strings.ReplaceAll(strings.TrimSpace(configMap), "\n", "\n  ") +
					"\n- {apiVersion: kustomize.config.k8s.io/v1beta1, kind: Kustomization, metadata: {name: x}}\n",
			},
			want: []string{`"kind":"ConfigMap"`}, unwanted: []string{"List", "Kustomization"},
		},
		"an object without a kind is an error": {
			files: map[string]string{"kustomization.yaml": "resources: [a.yaml]\n", "a.yaml": "apiVersion: v1\nknid: ConfigMap\nmetadata: {name: a}\n"},
			fails: true, want: []string{"kustomize build failed: ", "a.yaml"},
		},
		"an overlay replaces files": {
			files: map[string]string{"cm.yaml": "kind: ["}, args: BuildArgs{Overlay: map[string][]byte{"cm.yaml": []byte(configMap)}},
			want: []string{`"settings"`},
		},
		"too many objects": {
			files: map[string]string{"a.yaml": configMap, "b.yaml": strings.Replace(configMap, "settings", "b", 1)}, fails: true,
			args: BuildArgs{MaxObjects: 1}, want: []string{"more than 1 objects"},
		},
		"too many bytes": {
			files: map[string]string{"a.yaml": configMap}, fails: true, args: BuildArgs{MaxBytes: 10}, want: []string{"more than 10 bytes"},
		},
		"nested too deep": {
			files: map[string]string{"a.yaml": configMap + "x: " + strings.Repeat("[", 300) + strings.Repeat("]", 300) + "\n"},
			fails: true, want: []string{"nested deeper than 200 levels"},
		},
		"a bomb of aliases": {
			files: map[string]string{"kustomization.yaml": "resources: [a.yaml]\n", "a.yaml": configMap + bomb()}, fails: true,
			want: []string{"a.yaml", "aliases expand to more than"},
		},
		"a bomb in a patch": {
			files: map[string]string{"cm.yaml": configMap}, fails: true,
			args: BuildArgs{Settings: Settings{Patches: []Patch{{Patch: configMap + bomb()}}}},
			want: []string{"kustomization.yaml", "aliases expand to more than"},
		},
		"a schema of its own": {
			files: map[string]string{
				"kustomization.yaml": "openapi: {path: schema.json}\nresources: [w.yaml]\npatches: [{path: p.yaml}]\n",
				"w.yaml":             widget("[{name: a, v: 1}, {name: b, v: 2}]"), "p.yaml": widget("[{name: b, v: 3}]"),
				"schema.json": `{"definitions": {"w": {"type": "object", "x-kubernetes-group-version-kind": [{"group": "example.com", "kind": "Widget", "version": "v1"}],
					"properties": {"spec": {"type": "object", "properties": {"list": {"type": "array", "items": {"type": "object"},
					"x-kubernetes-patch-merge-key": "name", "x-kubernetes-patch-strategy": "merge"}}}}}}}`,
			},
			want: []string{`"name":"a","v":1`, `"name":"b","v":3`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			c.args.Root = tree(t, c.files)
			result, err := Build(context.Background(), c.args)
			got := show(result.Objects)
			if err != nil {
				got = err.Error()
			}
			if (err != nil) != c.fails {
				t.Fatalf("got %s", got)
			}
			for _, want := range c.want {
				if !strings.Contains(got, want) {
					t.Errorf("%q is not in %s", want, got)
				}
			}
			for _, unwanted := range c.unwanted {
				if strings.Contains(got, unwanted) {
					t.Errorf("%q is in %s", unwanted, got)
				}
			}
			if len(c.want) == 0 && got != "" {
				t.Errorf("got %s", got)
			}
		})
	}
}

func widget(list string) string {
	return "apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: w}\nspec: {list: " + list + "}\n"
}

func bomb() string {
	out := "z: &a [x,x,x,x,x,x,x,x,x,x]\n"
	for c := 'b'; c < 'l'; c++ {
		aliases := strings.TrimSuffix(strings.Repeat("*"+string(c-1)+",", 10), ",")
		out += fmt.Sprintf("%c: &%c [%s]\n", c, c, aliases)
	}
	return out
}

// What must not work, whatever a tenant writes (bad-inputs.md: CVE-2022-24877, CVE-2022-36055, remote bases, plugins).
func TestHostile(t *testing.T) {
	outside := tree(t, map[string]string{"secret.yaml": configMap, "dir/kustomization.yaml": "resources: []\n"})
	up := strings.Repeat("../", 12)
	for name, c := range map[string]struct {
		files map[string]string
		path  string
		allow bool
		want  string
	}{
		"file by ..":        {files: kustomization("resources: [" + up + outside + "/secret.yaml]"), want: "is not in or below"},
		"folder by ..":      {files: kustomization("resources: [" + up + outside + "/dir]"), want: "is not in or below"},
		"file by name":      {files: kustomization("patches: [{path: " + outside + "/secret.yaml}]\nconfigMapGenerator: [{name: a, literals: [a=b]}]"), want: "is not in or below"},
		"generator by ..":   {files: kustomization("configMapGenerator: [{name: a, files: [" + up + "/etc/passwd]}]"), want: "is not in or below"},
		"link to a file":    {files: map[string]string{"kustomization.yaml": "resources: [l.yaml]\n", "l.yaml": "-> " + outside + "/secret.yaml"}, want: "is not in or below"},
		"link to a folder":  {files: map[string]string{"kustomization.yaml": "resources: [l]\n", "l": "-> " + outside + "/dir"}, want: "is not in or below"},
		"linked path":       {files: map[string]string{"l": "-> " + outside}, path: "l", want: "is not in or below"},
		"a link found":      {files: map[string]string{"l.yaml": "-> " + outside + "/secret.yaml"}, want: "is not in or below"},
		"a device":          {files: map[string]string{"kustomization.yaml": "resources: [l.yaml]\n", "l.yaml": "-> /dev/zero"}, want: "is not in or below"},
		"cycle of itself":   {files: kustomization("resources: [.]"), want: "cycle detected"},
		"cycle of two":      {files: map[string]string{"a/kustomization.yaml": "resources: [../b]\n", "b/kustomization.yaml": "resources: [../a]\n"}, path: "a", want: "cycle detected"},
		"git refused":       {files: kustomization("resources: ['https://github.com/o/r//x?ref=main']"), want: "remote bases are disabled"},
		"scp refused":       {files: kustomization("resources: ['git@github.com:o/r.git']"), want: "remote bases are disabled"},
		"http refused":      {files: kustomization("resources: ['https://example.com/x.yaml']"), want: "remote bases are disabled"},
		"http patch":        {files: kustomization("patches: [{path: 'https://example.com/x.yaml'}]"), want: "remote bases are disabled"},
		"http generator":    {files: kustomization("secretGenerator: [{name: a, files: ['k=http://169.254.169.254/x']}]"), want: "remote bases are disabled"},
		"nested remote":     {files: map[string]string{"kustomization.yaml": "resources: [b]\n", "b/kustomization.yaml": "resources: ['github.com/o/r']\n"}, want: "remote bases are disabled"},
		"password hidden":   {files: kustomization("resources: ['https://u:hunter2@example.com/o/r.git']"), want: "https://u:xxxxx@example.com"},
		"ref is an option":  {files: kustomization("resources: ['https://example.com/o/r.git?ref=--upload-pack=touch']"), allow: true, want: "begins with '-'"},
		"host is an option": {files: kustomization("resources: ['ssh://-oProxyCommand=x/o/r.git']"), allow: true, want: "begins with '-'"},
		"local repository":  {files: kustomization("resources: ['file:///etc']"), allow: true, want: "local repositories cannot be remote bases"},
		"helm":              {files: kustomization("helmCharts: [{name: x, repo: 'https://example.com'}]"), want: "must specify --enable-helm"},
		"exec plugin": {files: map[string]string{"kustomization.yaml": "transformers: [t.yaml]\nconfigMapGenerator: [{name: a, literals: [a=b]}]\n",
			"t.yaml": "apiVersion: x/v1\nkind: T\nmetadata:\n  name: t\n  annotations: {config.kubernetes.io/function: \"exec: {path: ./x.sh}\"}\n", "x.sh": "#!/bin/sh\ntouch /tmp/pwned\n"}, want: "external plugins disabled"},
		"legacy plugin": {files: map[string]string{"kustomization.yaml": "generators: [g.yaml]\n", "g.yaml": "apiVersion: someteam.example.com/v1\nkind: G\nmetadata: {name: g}\n"}, want: "external plugins disabled"},
	} {
		t.Run(name, func(t *testing.T) {
			result, err := Build(context.Background(), BuildArgs{Root: tree(t, c.files), Path: c.path, AllowRemoteBases: c.allow})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("%v %s", err, show(result.Objects))
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Fatal(err)
			}
		})
	}
}

func kustomization(text string) map[string]string {
	return map[string]string{"kustomization.yaml": text + "\n"}
}

// Builds share kustomize's package variables; -race and equal results show that they may.
func TestParallelBuilds(t *testing.T) {
	root := tree(t, map[string]string{
		"plain/cm.yaml": configMap, "plain/w.yaml": widget("[{name: a}]"),
		"own/kustomization.yaml": "openapi: {version: v1.21.2}\nresources: [cm.yaml]\n", "own/cm.yaml": configMap,
	})
	var all sync.WaitGroup
	for i := range 40 {
		all.Go(func() {
			path := "plain"
			if i%5 == 0 {
				path = "own"
			}
			result, err := Build(context.Background(), BuildArgs{Root: root, Path: path, Settings: Settings{TargetNamespace: "n"}})
			if err != nil || !strings.Contains(show(result.Objects), `"namespace":"n"`) {
				t.Errorf("%s: %v %s", path, err, show(result.Objects))
			}
		})
	}
	all.Wait()
}

func TestCancelledBuildEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Build(ctx, BuildArgs{Root: tree(t, map[string]string{"cm.yaml": configMap})}); err != context.Canceled {
		t.Fatal(err)
	}
}

func BenchmarkSmallBuild(b *testing.B) {
	root := tree(b, map[string]string{"cm.yaml": configMap, "w.yaml": widget("[{name: a}]")})
	for b.Loop() {
		if _, err := Build(context.Background(), BuildArgs{Root: root, Settings: Settings{TargetNamespace: "x"}}); err != nil {
			b.Fatal(err)
		}
	}
}

func FuzzKustomizeBuild(f *testing.F) {
	f.Add("resources: [a.yaml]\n", configMap)
	f.Add("configMapGenerator: [{name: a, files: [a.yaml]}]\nnamePrefix: x\n", "x")
	f.Add("replacements: [{source: {kind: ConfigMap}, targets: [{select: {kind: ConfigMap}, fieldPaths: [data.b]}]}]\nresources: [a.yaml]\n", configMap)
	f.Fuzz(func(t *testing.T, kustomization, resource string) {
		root := tree(t, map[string]string{"kustomization.yaml": kustomization, "a.yaml": resource})
		result, err := Build(context.Background(), BuildArgs{Root: root, Settings: Settings{TargetNamespace: "x"}})
		for _, object := range result.Objects {
			if err != nil || !json.Valid(object) {
				t.Fatalf("%v: %s", err, object)
			}
		}
	})
}
