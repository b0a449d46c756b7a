package release

import (
	"maps"

	helm "helm.sh/helm/v4/pkg/release"
	"helm.sh/helm/v4/pkg/storage/driver"
)

// remembering is Helm's storage, asked the same once: an action reads a release's whole history again and again. What is written
// makes it ask anew. One call's, so never of yesterday.
type remembering struct {
	driver.Driver
	labels map[string]string
	found  []helm.Releaser
}

func (r *remembering) Query(labels map[string]string) ([]helm.Releaser, error) {
	if r.labels != nil && maps.Equal(r.labels, labels) {
		return append([]helm.Releaser{}, r.found...), nil
	}
	found, err := r.Driver.Query(labels)
	if err == nil {
		r.labels, r.found = maps.Clone(labels), append([]helm.Releaser{}, found...)
	}
	return found, err
}

func (r *remembering) Create(key string, release helm.Releaser) error {
	r.labels = nil
	return r.Driver.Create(key, release)
}

func (r *remembering) Update(key string, release helm.Releaser) error {
	r.labels = nil
	return r.Driver.Update(key, release)
}

func (r *remembering) Delete(key string) (helm.Releaser, error) {
	r.labels = nil
	return r.Driver.Delete(key)
}
