package message

import "strings"

// What templates see. The names of types do not matter to them; those of fields and methods do.

// Data is the dot of a template.
type Data struct {
	AutomationObject NamespacedName
	Changed          Changed
	Updated          Updated // what templates were given before there was Changed
	Values           map[string]string
}

// NamespacedName prints as namespace/name.
type NamespacedName struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
}

func (n NamespacedName) String() string { return n.Namespace + "/" + n.Name }

// ObjectIdentifier names the object of a document as far as the document does.
type ObjectIdentifier struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Name       string `json:"name"`
	Namespace  string `json:"namespace"`
}

// GetName and its kin are for templates written so.
func (o ObjectIdentifier) GetName() string       { return o.Name }
func (o ObjectIdentifier) GetNamespace() string  { return o.Namespace }
func (o ObjectIdentifier) GetKind() string       { return o.Kind }
func (o ObjectIdentifier) GetAPIVersion() string { return o.APIVersion }

// Change is a value that was set.
type Change struct {
	OldValue string
	NewValue string
	Setter   string
}

// ObjectChanges are the changes of each object.
type ObjectChanges map[ObjectIdentifier][]Change

// Changed tells what was set, and where.
type Changed struct {
	FileChanges map[string]ObjectChanges
	ImageResult Updated
	changes     []FileChange
}

// Changes has each change once, however many places it was made in.
func (c Changed) Changes() []Change {
	seen := map[Change]bool{}
	found := []Change{}
	for _, item := range c.changes {
		if change := item.change(); !seen[change] {
			seen[change] = true
			found = append(found, change)
		}
	}
	return found
}

// Objects has the changes of each object, whatever its file.
func (c Changed) Objects() ObjectChanges {
	found := ObjectChanges{}
	for _, item := range c.changes {
		found[item.Object] = append(found[item.Object], item.change())
	}
	return found
}

// Updated tells which images came where.
type Updated struct {
	Files  map[string]FileUpdate
	images []ImageRef
}

// FileUpdate has the images of each object of a file.
type FileUpdate struct {
	Objects map[ObjectIdentifier][]ImageRef
}

// Images has each image once.
func (u Updated) Images() []ImageRef { return u.images }

// Objects has the images of each object, whatever its file.
func (u Updated) Objects() map[ObjectIdentifier][]ImageRef {
	found := map[ObjectIdentifier][]ImageRef{}
	for _, file := range u.Files {
		for object, images := range file.Objects {
			for _, image := range images {
				found[object] = withImage(found[object], image)
			}
		}
	}
	return found
}

// Image is what a policy selected: a name with its registry, a tag, and perhaps a digest.
type Image struct {
	Name   string `json:"name"`
	Tag    string `json:"tag"`
	Digest string `json:"digest"`
}

// ImageRef is an image, and the policy that selected it.
type ImageRef struct {
	image  Image
	policy NamespacedName
}

// String is the whole reference.
func (i ImageRef) String() string {
	if i.image.Digest != "" {
		return i.image.Name + ":" + i.image.Tag + "@" + i.image.Digest
	}
	return i.image.Name + ":" + i.image.Tag
}

// Identifier is the tag.
func (i ImageRef) Identifier() string { return i.image.Tag }

// Digest is empty when the policy has none.
func (i ImageRef) Digest() string { return i.image.Digest }

// Policy is the one that selected it.
func (i ImageRef) Policy() NamespacedName { return i.policy }

// Registry is the host; that of images without one is Docker Hub's.
func (i ImageRef) Registry() string {
	registry, _ := i.split()
	return registry
}

// Repository is the path below the registry.
func (i ImageRef) Repository() string {
	_, repository := i.split()
	return repository
}

// Name is registry and repository.
func (i ImageRef) Name() string {
	registry, repository := i.split()
	return registry + "/" + repository
}

func (i ImageRef) split() (registry, repository string) {
	host, rest, found := strings.Cut(i.image.Name, "/")
	if found && (strings.ContainsAny(host, ".:") || host == "localhost") {
		return host, rest
	}
	if !found {
		return "index.docker.io", "library/" + i.image.Name
	}
	return "index.docker.io", i.image.Name
}

func (f FileChange) change() Change {
	return Change{OldValue: f.OldValue, NewValue: f.NewValue, Setter: f.Setter}
}

func dataOf(args RenderArgs) Data {
	files := map[string]ObjectChanges{}
	updated := Updated{Files: map[string]FileUpdate{}}
	for _, item := range args.Changes {
		if files[item.File] == nil {
			files[item.File] = ObjectChanges{}
			updated.Files[item.File] = FileUpdate{Objects: map[ObjectIdentifier][]ImageRef{}}
		}
		files[item.File][item.Object] = append(files[item.File][item.Object], item.change())
		image := ImageRef{item.Image, item.Policy}
		objects := updated.Files[item.File].Objects
		objects[item.Object] = withImage(objects[item.Object], image)
		updated.images = withImage(updated.images, image)
	}
	changed := Changed{FileChanges: files, ImageResult: updated, changes: args.Changes}
	return Data{AutomationObject: args.Object, Changed: changed, Updated: updated, Values: args.Values}
}

func withImage(images []ImageRef, image ImageRef) []ImageRef {
	for _, known := range images {
		if known == image {
			return images
		}
	}
	return append(images, image)
}
