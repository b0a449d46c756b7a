package cosign

import (
	"context"
	"crypto"
	"fmt"
	"sync"
	"time"

	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/tuf"
	"github.com/sigstore/sigstore/pkg/cryptoutils"
	"github.com/sigstore/sigstore/pkg/signature"
)

// key is a public key with one way to hash.
type key struct{ signature.Verifier }

// ValidAtTime: a key in a Secret has no end.
func (key) ValidAtTime(time.Time) bool { return true }

func (k key) material() root.TrustedMaterial {
	return root.NewTrustedPublicKeyMaterial(func(string) (root.TimeConstrainedVerifier, error) { return k, nil })
}

// keysOf: cosign hashed with SHA-256 whatever the key, and newer clients with what fits its size. A text that is no key gives none,
// as a key that signed nothing.
func keysOf(text string) []key {
	public, err := cryptoutils.UnmarshalPEMToPublicKey([]byte(text))
	if err != nil {
		return nil
	}
	found := []key{}
	if verifier, err := signature.LoadVerifier(public, crypto.SHA256); err == nil {
		found = append(found, key{verifier})
	}
	if verifier, err := signature.LoadDefaultVerifier(public); err == nil {
		found = append(found, key{verifier})
	}
	return found
}

func trustedRoot(ctx context.Context, text string) (root.TrustedMaterial, error) {
	if text == "" {
		return public.get(ctx)
	}
	found, err := root.NewTrustedRootFromJSON([]byte(text))
	if err != nil {
		return nil, fmt.Errorf("failed to parse trusted root: %w", err)
	}
	return found, nil
}

// publicRoot is what the public instance of sigstore trusts, as it published it within the last day.
type publicRoot struct {
	sync.Mutex
	found   *root.TrustedRoot
	fetched time.Time
}

var public publicRoot // a cache that may vanish

func (p *publicRoot) get(ctx context.Context) (root.TrustedMaterial, error) {
	p.Lock()
	defer p.Unlock()
	if p.found != nil && time.Since(p.fetched) < 24*time.Hour {
		return p.found, nil
	}
	options := &tuf.Options{Root: tuf.DefaultRoot(), RepositoryBaseURL: tuf.DefaultMirror, DisableLocalCache: true, Context: ctx}
	found, err := root.FetchTrustedRootWithOptions(options)
	if err != nil {
		return nil, fmt.Errorf("failed to fetch the trusted root of the public sigstore instance: %w", err)
	}
	p.found, p.fetched = found, time.Now()
	return found, nil
}
