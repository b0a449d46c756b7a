package kustomize

import (
	"context"
	"fmt"
	"strings"
	"testing"
)

// Many files are built in parts; the objects, their order and their files are those of the whole.
func TestManyFilesAreBuiltAsOne(t *testing.T) {
	files := map[string]string{}
	for number := range 3*chunk + 7 {
		name := fmt.Sprintf("app-%04d", number)
		files["team/"+name+"/cm.yaml"] = fmt.Sprintf("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s}\ndata: {a: \"1\"}\n", name)
		files["team/"+name+"/pod.yaml"] = fmt.Sprintf(
			"apiVersion: v1\nkind: Pod\nmetadata: {name: %s, namespace: x}\nspec: {volumes: [{name: a, configMap: {name: %s}}], containers: []}\n",
			name, name,
		)
	}
	parts, err := Build(context.Background(), BuildArgs{Root: tree(t, files), Path: "team"})
	if err != nil {
		t.Fatal(err)
	}
	// A kind that looks around makes kustomize build the whole.
	files["team/z.yaml"] = "apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {name: z}\nroleRef: {name: r, kind: Role, apiGroup: rbac.authorization.k8s.io}\n"
	whole, err := Build(context.Background(), BuildArgs{Root: tree(t, files), Path: "team"})
	if err != nil {
		t.Fatal(err)
	}
	last := len(whole.Objects) - 1
	if fmt.Sprintf("%s", parts.Objects) != fmt.Sprintf("%s", whole.Objects[:last]) {
		t.Error("the objects differ")
	}
	if fmt.Sprint(parts.Files) != fmt.Sprint(whole.Files[:last]) {
		t.Error("the files differ")
	}
}

func TestAnObjectTwiceInFilesFarApart(t *testing.T) {
	files := map[string]string{}
	for number := range 3 * chunk {
		files[fmt.Sprintf("%04d.yaml", number)] = fmt.Sprintf("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c%04d}\n", number)
	}
	files["9999.yaml"] = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c0000, namespace: default}\n"
	_, err := Build(context.Background(), BuildArgs{Root: tree(t, files)})
	if err == nil || !strings.Contains(err.Error(), "may not add resource with an already registered id") {
		t.Errorf("error: %v", err)
	}
}
