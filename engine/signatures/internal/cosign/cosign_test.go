package cosign

import (
	"context"
	"strings"
	"testing"

	"fleetloop.dev/engine/signatures/internal/signing"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

func legacy(from signing.Legacy) []Legacy {
	of := func(name string) string { return from.Annotations["dev."+name] }
	return []Legacy{{from.Payload, of("cosignproject.cosign/signature"), of("sigstore.cosign/certificate"), of("sigstore.cosign/bundle"), ""}}
}

func TestVerify(t *testing.T) {
	image, other := digest.FromString("an image"), digest.FromString("another image")
	made, err := signing.All(ocispec.Descriptor{Digest: image, MediaType: ocispec.MediaTypeImageManifest, Size: 8})
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := signing.All(ocispec.Descriptor{Digest: image, MediaType: ocispec.MediaTypeImageManifest, Size: 8})
	if err != nil {
		t.Fatal(err)
	}
	known, unknown := Identity{"^https://issuer.example.com$", "^ada@example.com$"}, Identity{"^https://issuer.example.com$", "^eve@"}
	for _, c := range []struct {
		name    string
		args    Args
		problem string // "": verified
	}{
		{"key, bundle", Args{Bundles: []string{made.KeyBundle}, Keys: []string{made.PublicKey}}, ""},
		{"key, tag", Args{Legacy: legacy(made.KeyLegacy), Keys: []string{made.PublicKey}}, ""},
		{"the second key", Args{Legacy: legacy(made.KeyLegacy), Keys: []string{"no key", stranger.PublicKey, made.PublicKey}}, ""},
		{"a bundle of a stranger beside a good tag", Args{Bundles: []string{stranger.KeyBundle}, Legacy: legacy(made.KeyLegacy), Keys: []string{made.PublicKey}}, ""},
		{"another key, bundle", Args{Bundles: []string{made.KeyBundle}, Keys: []string{stranger.PublicKey}}, "failed to verify signature"},
		{"another key, tag", Args{Legacy: legacy(made.KeyLegacy), Keys: []string{stranger.PublicKey}}, "invalid signature"},
		{"key, bundle of another image", Args{Digest: other.String(), Bundles: []string{made.KeyBundle}, Keys: []string{made.PublicKey}}, "failed to verify signature"},
		{"key, tag of another image", Args{Digest: other.String(), Legacy: legacy(made.KeyLegacy), Keys: []string{made.PublicKey}}, "the signature is of another image"},
		{"an attestation is no signature", Args{Bundles: []string{made.Attestation}, Keys: []string{made.PublicKey}}, "the bundle is no signature"},
		{"a certificate where a key is wanted", Args{Bundles: []string{made.KeylessBundle}, Keys: []string{made.PublicKey}}, "expected key signature"},
		{"nothing", Args{Keys: []string{made.PublicKey}}, "no signatures found"},
		{"broken bundle", Args{Bundles: []string{"{"}, Keys: []string{made.PublicKey}}, "the bundle cannot be read"},
		{"keyless, bundle", Args{Bundles: []string{made.KeylessBundle}, Identities: []Identity{known}, TrustedRoot: made.TrustedRoot}, ""},
		{"keyless, tag", Args{Legacy: legacy(made.KeylessLegacy), Identities: []Identity{known}, TrustedRoot: made.TrustedRoot}, ""},
		{"keyless, the second identity", Args{Legacy: legacy(made.KeylessLegacy), Identities: []Identity{unknown, known}, TrustedRoot: made.TrustedRoot}, ""},
		{"keyless, the second identity of a bundle", Args{Bundles: []string{made.KeylessBundle}, Identities: []Identity{unknown, known}, TrustedRoot: made.TrustedRoot}, ""},
		{"keyless, anybody", Args{Legacy: legacy(made.KeylessLegacy), TrustedRoot: made.TrustedRoot}, ""},
		{"keyless, somebody else", Args{Legacy: legacy(made.KeylessLegacy), Identities: []Identity{unknown}, TrustedRoot: made.TrustedRoot}, "certificate identity"},
		{"keyless, somebody else's bundle", Args{Bundles: []string{made.KeylessBundle}, Identities: []Identity{unknown}, TrustedRoot: made.TrustedRoot}, "certificate identity"},
		{"keyless, another root", Args{Legacy: legacy(made.KeylessLegacy), Identities: []Identity{known}, TrustedRoot: stranger.TrustedRoot}, "log"},
		{"keyless, another root, bundle", Args{Bundles: []string{made.KeylessBundle}, Identities: []Identity{known}, TrustedRoot: stranger.TrustedRoot}, "log"},
		{"keyless, signed with a key", Args{Bundles: []string{made.KeyBundle}, TrustedRoot: made.TrustedRoot}, "log"},
		{"keyless, signed with a key, tag", Args{Legacy: legacy(made.KeyLegacy), TrustedRoot: made.TrustedRoot}, "no certificate"},
	} {
		if c.args.Digest == "" {
			c.args.Digest = image.String()
		}
		result, err := Verify(context.Background(), c.args)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		said := strings.Join(result.Problems, "; ")
		if result.Verified != (c.problem == "") || !strings.Contains(said, c.problem) {
			t.Errorf("%s: verified %v: %s", c.name, result.Verified, said)
		}
	}
}

// A payload that was signed is taken as it is: not one byte of it may change, nor of what the log promised.
func TestTampered(t *testing.T) {
	image := digest.FromString("an image")
	made, err := signing.All(ocispec.Descriptor{Digest: image, MediaType: ocispec.MediaTypeImageManifest, Size: 8})
	if err != nil {
		t.Fatal(err)
	}
	spaced := legacy(made.KeyLegacy)
	spaced[0].Payload = append(spaced[0].Payload, ' ')
	silent := legacy(made.KeylessLegacy)
	silent[0].Log = ""
	moved := legacy(made.KeylessLegacy)
	moved[0].Log = strings.Replace(moved[0].Log, `"logIndex":1000`, `"logIndex":1001`, 1)
	for name, args := range map[string]Args{
		"payload":      {Legacy: spaced, Keys: []string{made.PublicKey}},
		"no log entry": {Legacy: silent, TrustedRoot: made.TrustedRoot},
		"log entry":    {Legacy: moved, TrustedRoot: made.TrustedRoot},
	} {
		args.Digest = image.String()
		if result, err := Verify(context.Background(), args); err != nil || result.Verified {
			t.Errorf("%s: %+v %v", name, result, err)
		}
	}
	if _, err := Verify(context.Background(), Args{Digest: image.String(), TrustedRoot: "{"}); err == nil || !strings.Contains(err.Error(), "trusted root") {
		t.Errorf("%v", err)
	}
	bad := Args{Digest: image.String(), TrustedRoot: made.TrustedRoot, Identities: []Identity{{"(", ""}}}
	if _, err := Verify(context.Background(), bad); err == nil || !strings.Contains(err.Error(), "matchOIDCIdentity") {
		t.Errorf("%v", err)
	}
}
