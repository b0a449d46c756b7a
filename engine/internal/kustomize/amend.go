package kustomize

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"sigs.k8s.io/kustomize/api/konfig"
	"sigs.k8s.io/kustomize/api/provider"
	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/yaml"
)

// Settings are the fields of a Kustomization's spec that change its kustomization.yaml, under the API's own names.
type Settings struct {
	TargetNamespace         string            `json:"targetNamespace"`
	NamePrefix              string            `json:"namePrefix"`
	NameSuffix              string            `json:"nameSuffix"`
	Patches                 []Patch           `json:"patches"`
	PatchesStrategicMerge   []json.RawMessage `json:"patchesStrategicMerge"`
	PatchesJSON6902         []JSON6902Patch   `json:"patchesJson6902"`
	Images                  []types.Image     `json:"images"`
	Components              []string          `json:"components"`
	IgnoreMissingComponents bool              `json:"ignoreMissingComponents"`
	BuildMetadata           []string          `json:"buildMetadata"`
}

// Patch is an entry of spec.patches.
type Patch struct {
	Patch  string          `json:"patch"`
	Target *types.Selector `json:"target"`
}

// JSON6902Patch is an entry of the old spec.patchesJson6902: operations as data instead of text.
type JSON6902Patch struct {
	Patch  json.RawMessage `json:"patch"`
	Target *types.Selector `json:"target"`
}

// amend puts the kustomization.yaml that the build reads into the overlay: the one in dir, or one made from the YAML
// files below it, changed by the settings. Contract: source-kustomize.md 8.3. Every object is annotated with its origin;
// told is whether the user asked for that.
func amend(files *boundedFS, dir string, settings Settings) (told bool, err error) {
	path, found := findKustomizationFile(files, dir)
	kustomization := types.Kustomization{
		TypeMeta: types.TypeMeta{APIVersion: types.KustomizationVersion, Kind: types.KustomizationKind},
	}
	if found {
		content, err := files.ReadFile(path)
		if err != nil {
			return false, err
		}
		if err := yaml.Unmarshal(content, &kustomization); err != nil {
			return false, fmt.Errorf("failed to decode %s: %w", path, err)
		}
		if len(kustomization.Resources) == 0 { // objects of generators and components tell where they come from
			kustomization.BuildMetadata = []string{types.OriginAnnotations}
		}
	} else {
		resources, err := collect(files, dir)
		if err != nil {
			return false, err
		}
		kustomization.Resources = resources
		if len(resources) == 0 { // kustomize refuses an empty file; this one builds to nothing
			kustomization.Namespace = "_placeholder"
		}
	}
	if err := settings.apply(&kustomization, files, dir); err != nil {
		return false, err
	}
	told = slices.Contains(kustomization.BuildMetadata, types.OriginAnnotations)
	if !told {
		kustomization.BuildMetadata = append(kustomization.BuildMetadata, types.OriginAnnotations)
	}
	content, err := yaml.Marshal(kustomization)
	if err != nil {
		return false, fmt.Errorf("encode %s: %w", path, err)
	}
	files.put(path, content)
	return told, nil
}

func findKustomizationFile(files *boundedFS, dir string) (path string, found bool) {
	for _, name := range konfig.RecognizedKustomizationFileNames() {
		if path := filepath.Join(dir, name); files.Exists(path) && !files.IsDir(path) {
			return path, true
		}
	}
	return filepath.Join(dir, konfig.DefaultKustomizationFileName()), false
}

// collect lists the YAML files below dir; a sub-directory with a kustomization file of its own stands for its content.
func collect(files *boundedFS, dir string) ([]string, error) {
	factory := provider.NewDefaultDepProvider().GetResourceFactory()
	var resources []string
	add := func(path string) error {
		relative, err := filepath.Rel(dir, path)
		resources = append(resources, "./"+relative) // as Flux writes it, and as errors quote it
		return err
	}
	err := files.Walk(dir, func(path string, info fs.FileInfo, err error) error {
		switch {
		case err != nil:
			return err
		case path == dir:
			return nil
		case info.IsDir():
			if _, found := findKustomizationFile(files, path); !found {
				return nil
			}
			if err := add(path); err != nil {
				return err
			}
			return fs.SkipDir // bare: Walk compares with ==
		case filepath.Ext(path) != ".yaml" && filepath.Ext(path) != ".yml":
			return nil
		}
		content, err := files.ReadFile(path)
		if err == nil {
			_, err = factory.SliceFromBytes(content)
		}
		if err != nil {
			return fmt.Errorf("failed to decode Kubernetes YAML from %s: %w", path, err)
		}
		return add(path)
	})
	return resources, err
}

func (s Settings) apply(k *types.Kustomization, files *boundedFS, dir string) error {
	replace(&k.Namespace, s.TargetNamespace)
	replace(&k.NamePrefix, s.NamePrefix)
	replace(&k.NameSuffix, s.NameSuffix)
	for _, patch := range s.Patches {
		k.Patches = append(k.Patches, types.Patch{Patch: patch.Patch, Target: patch.Target})
	}
	for _, patch := range s.PatchesStrategicMerge {
		k.PatchesStrategicMerge = append(k.PatchesStrategicMerge, types.PatchStrategicMerge(patch))
	}
	for _, patch := range s.PatchesJSON6902 {
		k.PatchesJson6902 = append(k.PatchesJson6902, types.Patch{Patch: string(patch.Patch), Target: patch.Target})
	}
	for _, image := range s.Images {
		k.Images = mergeImage(k.Images, image)
	}
	for _, component := range s.Components {
		if !isLocalRelative(component) {
			return fmt.Errorf("component path '%s' must be local and relative", component)
		}
		if s.IgnoreMissingComponents && !files.IsDir(filepath.Join(dir, component)) {
			continue
		}
		k.Components = append(k.Components, component)
	}
	if len(s.BuildMetadata) > 0 {
		k.BuildMetadata = s.BuildMetadata
	}
	return nil
}

func replace(field *string, value string) {
	if value != "" {
		*field = value
	}
}

// mergeImage: tag and digest go together, since a new tag beside an old digest would name two images.
func mergeImage(images []types.Image, wanted types.Image) []types.Image {
	for i, image := range images {
		if image.Name != wanted.Name {
			continue
		}
		replace(&images[i].NewName, wanted.NewName)
		if wanted.NewTag != "" || wanted.Digest != "" {
			images[i].NewTag, images[i].Digest = wanted.NewTag, wanted.Digest
		}
		return images
	}
	return append(images, wanted)
}

func isLocalRelative(path string) bool {
	for _, remote := range []string{"git::", "github.com/", "github.com:", "git@"} {
		if strings.HasPrefix(path, remote) {
			return false
		}
	}
	return !filepath.IsAbs(path) && !strings.Contains(path, "://")
}
