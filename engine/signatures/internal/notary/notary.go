// Package notary verifies signatures of the Notary Project against a trust policy. Contract: source-kustomize.md 3.5.
package notary

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"

	_ "github.com/notaryproject/notation-core-go/signature/cose" // registers the format
	_ "github.com/notaryproject/notation-core-go/signature/jws"  // registers the format
	"github.com/notaryproject/notation-go"
	"github.com/notaryproject/notation-go/verifier"
	"github.com/notaryproject/notation-go/verifier/trustpolicy"
	"github.com/notaryproject/notation-go/verifier/truststore"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Args are the arguments of the verb signatures.notation.
type Args struct {
	Reference    string     `json:"reference"` // host/name@digest
	MediaType    string     `json:"mediaType"` // of the manifest, as the next two
	Digest       string     `json:"digest"`
	Size         int64      `json:"size"`
	Signatures   []Envelope `json:"signatures"`
	TrustPolicy  string     `json:"trustPolicy"`  // as JSON
	Certificates []string   `json:"certificates"` // in PEM; the content of every trust store
}

// Envelope is a signature as it lies in the registry.
type Envelope struct {
	MediaType string `json:"mediaType"`
	Content   []byte `json:"content"`
}

// Result: Ignored is a pass that proves nothing, because the policy skips or only logs.
type Result struct {
	Verified bool   `json:"verified"`
	Ignored  bool   `json:"ignored"`
	Problem  string `json:"problem"`
}

type skipper interface {
	SkipVerify(context.Context, notation.VerifierVerifyOptions) (bool, *trustpolicy.VerificationLevel, error)
}

// Verify is the verb signatures.notation.
func Verify(ctx context.Context, args Args) (Result, error) {
	checker, err := checkerOf(args)
	if err != nil {
		return Result{}, err
	}
	options := notation.VerifierVerifyOptions{ArtifactReference: args.Reference}
	if able, ok := checker.(skipper); ok {
		skip, _, err := able.SkipVerify(ctx, options)
		if err != nil {
			return Result{Problem: err.Error()}, nil
		}
		if skip {
			return Result{Ignored: true}, nil
		}
	}
	artifact := ocispec.Descriptor{MediaType: args.MediaType, Digest: digest.Digest(args.Digest), Size: args.Size}
	problems := []error{}
	for _, signed := range args.Signatures {
		options.SignatureMediaType = signed.MediaType
		outcome, err := checker.Verify(ctx, artifact, signed.Content, options)
		if err == nil {
			return judged(outcome), nil
		}
		problems = append(problems, err)
	}
	if len(problems) == 0 {
		return Result{Problem: fmt.Sprintf("no signature is associated with '%s'", args.Reference)}, nil
	}
	return Result{Problem: errors.Join(problems...).Error()}, nil
}

// judged: a check that failed and is only logged leaves the signature unproven.
func judged(outcome *notation.VerificationOutcome) Result {
	for _, result := range outcome.VerificationResults {
		if result.Error != nil {
			return Result{Ignored: true, Problem: result.Error.Error()}
		}
	}
	return Result{Verified: true}
}

func checkerOf(args Args) (notation.Verifier, error) {
	policy := &trustpolicy.Document{}
	if err := json.Unmarshal([]byte(args.TrustPolicy), policy); err != nil {
		return nil, fmt.Errorf("failed to parse trust policy: %w", err)
	}
	store := store{}
	for _, text := range args.Certificates {
		found, err := certificatesOf([]byte(text))
		if err != nil {
			return nil, err
		}
		store = append(store, found...)
	}
	checker, err := verifier.New(policy, store, nil)
	if err != nil {
		return nil, fmt.Errorf("trust policy: %w", err)
	}
	return checker, nil
}

// store has the same certificates under every name.
type store []*x509.Certificate

func (s store) GetCertificates(context.Context, truststore.Type, string) ([]*x509.Certificate, error) {
	return s, nil
}

func certificatesOf(rest []byte) ([]*x509.Certificate, error) {
	var found []*x509.Certificate
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return found, nil
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, errors.New("the trust store holds a certificate that cannot be read")
		}
		found = append(found, certificate)
	}
}
