package release

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
)

const (
	keptClusters = 16
	keptFor      = time.Minute
)

// discoveries keeps what API servers serve, for a minute: asking for it costs more requests than most releases have objects. What
// is missing is asked for anew before it counts as missing (restmapper.DeferredDiscoveryRESTMapper).
type discoveries struct {
	mu    sync.Mutex
	known map[[sha256.Size]byte]known
}

type known struct {
	found discovery.CachedDiscoveryInterface
	until time.Time
}

var served = discoveries{known: map[[sha256.Size]byte]known{}} // a cache alone: it may vanish at any time

// of gives the discovery of one identity on one cluster.
func (d *discoveries) of(cluster Cluster) (discovery.CachedDiscoveryInterface, error) {
	content, err := json.Marshal(cluster)
	if err != nil {
		return nil, err
	}
	key := sha256.Sum256(content)
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	if one, ok := d.known[key]; ok && now.Before(one.until) {
		return one.found, nil
	}
	config, err := cluster.config()
	if err != nil {
		return nil, err
	}
	fresh, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("API server: %w", err)
	}
	d.forget(now)
	one := known{memory.NewMemCacheClient(fresh), now.Add(keptFor)}
	d.known[key] = one
	return one.found, nil
}

func (d *discoveries) forget(now time.Time) {
	for key, one := range d.known {
		if now.After(one.until) || len(d.known) >= keptClusters {
			delete(d.known, key)
		}
	}
}
