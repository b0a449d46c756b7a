// Package cosign verifies what cosign signed: bundles, and the older signatures that lie in a tag beside the image.
// Contract: source-kustomize.md 3.5, 6.4.
package cosign

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/sigstore/sigstore-go/pkg/bundle"
	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/verify"
)

// signType is the predicate that says "this image is signed". A statement of another type (an SBOM, a provenance) speaks about
// the image without vouching for it.
const signType = "https://sigstore.dev/cosign/sign/v1"

// Args are the arguments of the verb signatures.cosign.
type Args struct {
	Digest      string     `json:"digest"`      // of the manifest, sha256:HEX
	Bundles     []string   `json:"bundles"`     // as JSON
	Legacy      []Legacy   `json:"legacy"`      // of the tag beside the image
	Keys        []string   `json:"keys"`        // in PEM; none: keyless
	Identities  []Identity `json:"identities"`  // keyless: one of them must have signed; none: anyone may have
	TrustedRoot string     `json:"trustedRoot"` // keyless: as JSON; "": that of the public instance
}

// Identity holds regular expressions over what a certificate says of the signer.
type Identity struct {
	Issuer  string `json:"issuer"`
	Subject string `json:"subject"`
}

// Result tells whether one signature holds, and else why none does.
type Result struct {
	Verified bool     `json:"verified"`
	Problems []string `json:"problems"`
}

// Verify is the verb signatures.cosign. Bundles are tried before the older form. Keys are checked offline: no log is asked.
func Verify(ctx context.Context, args Args) (Result, error) {
	digest, err := hex.DecodeString(strings.TrimPrefix(args.Digest, "sha256:"))
	if err != nil {
		return Result{}, fmt.Errorf("'%s' is no digest", args.Digest)
	}
	attempts, err := attemptsOf(ctx, args)
	if err != nil {
		return Result{}, err
	}
	result := Result{Problems: []string{}}
	for _, attempt := range attempts {
		err := attempt.tryAll(args, digest)
		if err == nil {
			return Result{Verified: true, Problems: []string{}}, nil
		}
		result.Problems = append(result.Problems, err.Error())
	}
	return result, nil
}

// attempt is one way to trust: a key, or the certificates of a root.
type attempt struct {
	verifier *verify.Verifier
	signer   []verify.PolicyOption
	key      *key // nil: keyless
}

func attemptsOf(ctx context.Context, args Args) ([]attempt, error) {
	if len(args.Keys) == 0 {
		one, err := keyless(ctx, args)
		return []attempt{one}, err
	}
	var found []attempt
	for _, text := range args.Keys {
		for _, one := range keysOf(text) {
			verifier, err := verify.NewVerifier(one.material(), verify.WithNoObserverTimestamps())
			if err != nil {
				return nil, err
			}
			found = append(found, attempt{verifier, []verify.PolicyOption{verify.WithKey()}, &one})
		}
	}
	return found, nil
}

func keyless(ctx context.Context, args Args) (attempt, error) {
	trusted, err := trustedRoot(ctx, args.TrustedRoot)
	if err != nil {
		return attempt{}, err
	}
	verifier, err := verify.NewVerifier(trusted, requirements(trusted)...)
	if err != nil {
		return attempt{}, err
	}
	signer := []verify.PolicyOption{}
	for _, wanted := range args.Identities {
		identity, err := verify.NewShortCertificateIdentity("", wanted.Issuer, "", wanted.Subject)
		if err != nil {
			return attempt{}, fmt.Errorf("spec.verify.matchOIDCIdentity: %w", err)
		}
		signer = append(signer, verify.WithCertificateIdentity(identity))
	}
	if len(signer) == 0 {
		signer = append(signer, verify.WithoutIdentitiesUnsafe())
	}
	return attempt{verifier, signer, nil}, nil
}

// requirements: whatever the root has a log or an authority for must be proven.
func requirements(trusted root.TrustedMaterial) []verify.VerifierOption {
	options := []verify.VerifierOption{}
	if len(trusted.CTLogs()) > 0 {
		options = append(options, verify.WithSignedCertificateTimestamps(1))
	}
	if len(trusted.RekorLogs()) > 0 {
		options = append(options, verify.WithTransparencyLog(1))
	}
	if len(trusted.RekorLogs())+len(trusted.TimestampingAuthorities()) > 0 {
		return append(options, verify.WithObserverTimestamps(1))
	}
	return append(options, verify.WithCurrentTime())
}

func (a attempt) tryAll(args Args, digest []byte) error {
	var problems []error
	for _, text := range args.Bundles {
		err := a.tryBundle(text, digest)
		if err == nil {
			return nil
		}
		problems = append(problems, err)
	}
	for _, signature := range args.Legacy {
		err := a.tryLegacy(signature, args.Digest)
		if err == nil {
			return nil
		}
		problems = append(problems, err)
	}
	if len(problems) == 0 {
		return errors.New("no signatures found")
	}
	return errors.Join(problems...)
}

func (a attempt) tryBundle(text string, digest []byte) error {
	var signed bundle.Bundle
	if err := signed.UnmarshalJSON([]byte(text)); err != nil {
		return fmt.Errorf("the bundle cannot be read: %w", err)
	}
	result, err := a.verifier.Verify(&signed, verify.NewPolicy(verify.WithArtifactDigest("sha256", digest), a.signer...))
	if err != nil {
		return err
	}
	if result.Statement == nil || result.Statement.PredicateType != signType {
		return errors.New("the bundle is no signature of an image")
	}
	return nil
}
