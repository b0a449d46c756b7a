package release

import (
	"bytes"
	"fmt"
	"maps"
	"sort"

	"helm.sh/helm/v4/pkg/release/v1/util"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/kustomize/kyaml/kio"
	kyaml "sigs.k8s.io/kustomize/kyaml/yaml"
	"sigs.k8s.io/yaml"
)

// PostRender is what happens to rendered manifests before Helm has them: each kustomization, then the common metadata, then the
// origin's labels, which win. Contract: helm-notification-image.md 2.13.
type PostRender struct {
	Kustomizations []Kustomization   `json:"kustomizations"`
	Labels         map[string]string `json:"labels"`
	Annotations    map[string]string `json:"annotations"`
	Origin         map[string]string `json:"origin"` // labels
	Strategy       string            `json:"strategy"`
}

// Kustomization is one postRenderers[].kustomize.
type Kustomization struct {
	Patches []types.Patch `json:"patches"`
	Images  []types.Image `json:"images"`
}

// Run implements Helm's PostRenderer.
func (p PostRender) Run(rendered *bytes.Buffer) (*bytes.Buffer, error) {
	for number, one := range p.Kustomizations {
		out, err := one.run(rendered)
		if err != nil {
			return nil, fmt.Errorf("spec.postRenderers[%d]: %w", number, err)
		}
		rendered = out
	}
	nodes, err := kio.ParseAll(rendered.String())
	if err != nil {
		return nil, fmt.Errorf("rendered manifests: %w", err)
	}
	labels := map[string]string{}
	maps.Copy(labels, p.Labels)
	maps.Copy(labels, p.Origin)
	for _, node := range nodes {
		if err := setAll(node, labels, kyaml.SetLabel); err != nil {
			return nil, err
		}
		if err := setAll(node, p.Annotations, kyaml.SetAnnotation); err != nil {
			return nil, err
		}
	}
	text, err := kio.StringAll(nodes)
	return bytes.NewBufferString(text), err
}

func (k Kustomization) run(rendered *bytes.Buffer) (*bytes.Buffer, error) {
	if len(bytes.TrimSpace(rendered.Bytes())) == 0 {
		return rendered, nil
	}
	const output = "helm-output.yaml"
	disk := filesys.MakeFsInMemory()
	file := types.Kustomization{
		TypeMeta:  types.TypeMeta{APIVersion: types.KustomizationVersion, Kind: types.KustomizationKind},
		Resources: []string{output},
		Patches:   k.Patches,
		Images:    k.Images,
	}
	content, err := yaml.Marshal(file)
	if err != nil {
		return nil, err
	}
	if err := disk.WriteFile(output, rendered.Bytes()); err != nil {
		return nil, err
	}
	if err := disk.WriteFile("kustomization.yaml", content); err != nil {
		return nil, err
	}
	options := krusty.MakeDefaultOptions()
	options.LoadRestrictions = types.LoadRestrictionsRootOnly
	options.PluginConfig = types.DisabledPluginConfig()
	objects, err := krusty.MakeKustomizer(options).Run(disk, ".")
	if err != nil {
		return nil, err
	}
	text, err := objects.AsYaml()
	return bytes.NewBuffer(text), err
}

func setAll[S kyaml.Filter](node *kyaml.RNode, values map[string]string, set func(key, value string) S) error {
	keys := make([]string, 0, len(values))
	for key := range values {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	for _, key := range keys {
		if err := node.PipeE(set(key, values[key])); err != nil {
			return fmt.Errorf("set '%s': %w", key, err)
		}
	}
	return nil
}

// split gives the documents of a stream in their order.
func split(stream string) []string {
	parts := util.SplitManifests(stream)
	keys := make([]string, 0, len(parts))
	for key := range parts {
		keys = append(keys, key)
	}
	sort.Sort(util.BySplitManifestsOrder(keys))
	found := make([]string, 0, len(keys))
	for _, key := range keys {
		found = append(found, parts[key])
	}
	return found
}
