package release

import (
	"testing"

	helm "helm.sh/helm/v4/pkg/release"
	"helm.sh/helm/v4/pkg/storage"
	"helm.sh/helm/v4/pkg/storage/driver"
)

// counting is Helm's storage in memory, and how often it was asked for a history.
type counting struct {
	*driver.Memory
	queries int
}

func (c *counting) Query(labels map[string]string) ([]helm.Releaser, error) {
	c.queries++
	return c.Memory.Query(labels)
}

func TestAHistoryIsReadOnceUntilSomethingIsWritten(t *testing.T) {
	memory := driver.NewMemory()
	memory.SetNamespace("team")
	asked := &counting{Memory: memory}
	releases := storage.Init(&remembering{Driver: asked})
	if _, err := releases.Last("app"); err == nil {
		t.Fatal("found what is not there")
	}
	for version := 1; version <= 2; version++ {
		next := released()
		next.Version = version
		if err := releases.Create(next); err != nil {
			t.Fatal(err)
		}
		before := asked.queries
		for range 3 {
			found, err := releases.History("app")
			if err != nil || len(found) != version {
				t.Fatalf("%d releases, %v", len(found), err)
			}
			found[0] = nil // a caller may sort or change its list
		}
		if asked.queries != before+1 {
			t.Errorf("asked %d times", asked.queries-before)
		}
	}
	if found, err := releases.History("other"); err == nil && len(found) > 0 {
		t.Error("another release's history is taken for this one's")
	}
}

func TestAnOutcomeNamesTheObjectsOfWhatWasWrittenLast(t *testing.T) {
	memory := driver.NewMemory()
	memory.SetNamespace("team")
	seen := &observing{Driver: memory}
	if found := seen.objects(); found != nil {
		t.Errorf("%v before anything was written", found)
	}
	written := released()
	written.Manifest = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n---\n# nothing\n---\n" +
		"apiVersion: v1\nkind: Secret\nmetadata: {name: b, namespace: other}\n"
	if err := storage.Init(seen).Create(written); err != nil {
		t.Fatal(err)
	}
	found := seen.objects()
	if len(found) != 2 || found[0].Metadata.Name != "a" || found[1].Kind != "Secret" || found[1].Metadata.Namespace != "other" {
		t.Errorf("%v", found)
	}
	written.Manifest = "kind: [\n"
	if found := seen.objects(); found != nil {
		t.Errorf("%v of what cannot be read", found)
	}
}
