// Package signing signs a manifest in every way that is verified, with the signers' own libraries, for tests.
package signing

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"strings"
	"time"

	"github.com/notaryproject/notation-core-go/testhelper"
	"github.com/notaryproject/notation-go"
	"github.com/notaryproject/notation-go/signer"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	bundlev1 "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	commonv1 "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	rekorv1 "github.com/sigstore/protobuf-specs/gen/pb-go/rekor/v1"
	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/sign"
	"github.com/sigstore/sigstore-go/pkg/testing/ca"
	"github.com/sigstore/sigstore-go/pkg/tlog"
	"github.com/sigstore/sigstore-go/pkg/verify"
	"google.golang.org/protobuf/encoding/protojson"
)

// Identity and Issuer are what the certificates say.
const (
	Identity, Issuer = "ada@example.com", "https://issuer.example.com"
	statementType    = "application/vnd.in-toto+json"
	jose             = "application/jose+json"
)

// Legacy is a layer of the tag beside an image.
type Legacy struct {
	Payload     []byte            `json:"payload"`
	Annotations map[string]string `json:"annotations"`
}

// Signed holds signatures of one manifest, and what they are verified with.
type Signed struct {
	PublicKey     string `json:"publicKey"`
	KeyBundle     string `json:"keyBundle"`
	KeyLegacy     Legacy `json:"keyLegacy"`
	Attestation   string `json:"attestation"` // a statement about the image that is no signature of it
	KeylessBundle string `json:"keylessBundle"`
	KeylessLegacy Legacy `json:"keylessLegacy"`
	TrustedRoot   string `json:"trustedRoot"`
	Notation      []byte `json:"notation"`
	Certificate   string `json:"certificate"`
}

// All signs in every way.
func All(wanted ocispec.Descriptor) (Signed, error) {
	var made Signed
	for _, step := range []func(ocispec.Descriptor, *Signed) error{withKey, withCertificate, withNotation} {
		if err := step(wanted, &made); err != nil {
			return made, err
		}
	}
	return made, nil
}

func statement(of digest.Digest, kind string) []byte {
	return fmt.Appendf(nil, `{"_type":"https://in-toto.io/Statement/v1","subject":[{"digest":{"sha256":%q}}],"predicateType":%q,"predicate":{}}`, of.Encoded(), kind)
}

func payload(of digest.Digest) []byte {
	return fmt.Appendf(nil, `{"critical":{"identity":{"docker-reference":""},"image":{"docker-manifest-digest":%q},"type":"cosign container image signature"},"optional":null}`, of)
}

func withKey(wanted ocispec.Descriptor, made *Signed) error {
	pair, err := sign.NewEphemeralKeypair(nil)
	if err != nil {
		return err
	}
	if made.PublicKey, err = pair.GetPublicKeyPem(); err != nil {
		return err
	}
	for kind, into := range map[string]*string{"https://sigstore.dev/cosign/sign/v1": &made.KeyBundle, "https://slsa.dev/provenance/v1": &made.Attestation} {
		signed, err := sign.Bundle(&sign.DSSEData{Data: statement(wanted.Digest, kind), PayloadType: statementType}, pair, sign.BundleOptions{})
		if err != nil {
			return err
		}
		text, err := protojson.Marshal(signed)
		if err != nil {
			return err
		}
		*into = string(text)
	}
	content := payload(wanted.Digest)
	signature, _, err := pair.SignData(context.Background(), content)
	made.KeyLegacy = Legacy{content, map[string]string{"dev.cosignproject.cosign/signature": base64.StdEncoding.EncodeToString(signature)}}
	return err
}

func withCertificate(wanted ocispec.Descriptor, made *Signed) error {
	authority, err := ca.NewVirtualSigstore()
	if err != nil {
		return err
	}
	if made.TrustedRoot, err = trustedRoot(authority); err != nil {
		return err
	}
	content := statement(wanted.Digest, "https://sigstore.dev/cosign/sign/v1")
	attested, err := authority.AttestAtTime(Identity, Issuer, content, time.Now().Add(5*time.Minute), true)
	if err != nil {
		return err
	}
	if made.KeylessBundle, err = bundleOf(authority, attested, content); err != nil {
		return err
	}
	signed, err := authority.Sign(Identity, Issuer, payload(wanted.Digest))
	if err != nil {
		return err
	}
	made.KeylessLegacy, err = legacyOf(authority, signed, payload(wanted.Digest))
	return err
}

func trustedRoot(authority *ca.VirtualSigstore) (string, error) {
	logs := authority.RekorLogs()
	for id, one := range logs {
		one.ID, _ = hex.DecodeString(id)
	}
	trusted, err := root.NewTrustedRoot(root.TrustedRootMediaType01, authority.FulcioCertificateAuthorities(), nil, authority.TimestampingAuthorities(), logs)
	if err != nil {
		return "", err
	}
	text, err := trusted.MarshalJSON()
	return string(text), err
}

func bundleOf(authority *ca.VirtualSigstore, entity verify.SignedEntity, content []byte) (string, error) {
	material, err := entity.VerificationContent()
	if err != nil {
		return "", err
	}
	signed, err := entity.SignatureContent()
	if err != nil {
		return "", err
	}
	entries, err := entity.TlogEntries()
	if err != nil {
		return "", err
	}
	entry, err := provenEntry(authority, entries[0].TransparencyLogEntry())
	if err != nil {
		return "", err
	}
	made := &bundlev1.Bundle{
		MediaType: "application/vnd.dev.sigstore.bundle.v0.3+json",
		VerificationMaterial: &bundlev1.VerificationMaterial{
			Content:     &bundlev1.VerificationMaterial_Certificate{Certificate: &commonv1.X509Certificate{RawBytes: material.Certificate().Raw}},
			TlogEntries: []*rekorv1.TransparencyLogEntry{entry},
		},
	}
	(&sign.DSSEData{Data: content, PayloadType: statementType}).Bundle(made, signed.Signature(), nil, 0)
	text, err := protojson.Marshal(made)
	return string(text), err
}

func legacyOf(authority *ca.VirtualSigstore, entity verify.SignedEntity, content []byte) (Legacy, error) {
	material, err := entity.VerificationContent()
	if err != nil {
		return Legacy{}, err
	}
	signed, err := entity.SignatureContent()
	if err != nil {
		return Legacy{}, err
	}
	entries, err := entity.TlogEntries()
	if err != nil {
		return Legacy{}, err
	}
	entry := entries[0].TransparencyLogEntry()
	stamp, logged, err := promised(authority, entry)
	if err != nil {
		return Legacy{}, err
	}
	promise := map[string]any{"SignedEntryTimestamp": stamp, "Payload": logged}
	text, err := json.Marshal(promise)
	return Legacy{content, map[string]string{
		"dev.cosignproject.cosign/signature": base64.StdEncoding.EncodeToString(signed.Signature()),
		"dev.sigstore.cosign/certificate":    inPEM(material.Certificate()),
		"dev.sigstore.cosign/bundle":         string(text),
	}}, err
}

// promised is what a log signs at once: that it will hold the entry.
func promised(authority *ca.VirtualSigstore, entry *rekorv1.TransparencyLogEntry) ([]byte, tlog.RekorPayload, error) {
	logged := tlog.RekorPayload{
		Body: base64.StdEncoding.EncodeToString(entry.CanonicalizedBody), IntegratedTime: entry.IntegratedTime,
		LogIndex: entry.LogIndex, LogID: hex.EncodeToString(entry.LogId.KeyId),
	}
	stamp, err := authority.RekorSignPayload(logged)
	return stamp, logged, err
}

// provenEntry has also the log's proof that it holds the entry.
func provenEntry(authority *ca.VirtualSigstore, entry *rekorv1.TransparencyLogEntry) (*rekorv1.TransparencyLogEntry, error) {
	stamp, _, err := promised(authority, entry)
	if err != nil {
		return nil, err
	}
	proof, err := authority.GetInclusionProof(entry.CanonicalizedBody)
	if err != nil {
		return nil, err
	}
	held, err := hex.DecodeString(*proof.RootHash)
	if err != nil {
		return nil, err
	}
	entry.KindVersion = &rekorv1.KindVersion{Kind: "dsse", Version: "0.0.1"}
	entry.InclusionPromise = &rekorv1.InclusionPromise{SignedEntryTimestamp: stamp}
	entry.InclusionProof = &rekorv1.InclusionProof{
		LogIndex: *proof.LogIndex, RootHash: held, TreeSize: *proof.TreeSize, Checkpoint: &rekorv1.Checkpoint{Envelope: *proof.Checkpoint},
	}
	return entry, nil
}

func withNotation(wanted ocispec.Descriptor, made *Signed) error {
	leaf, authority := testhelper.GetRSALeafCertificate(), testhelper.GetRSARootCertificate()
	with, err := signer.New(leaf.PrivateKey, []*x509.Certificate{leaf.Cert, authority.Cert})
	if err != nil {
		return err
	}
	made.Certificate = inPEM(authority.Cert)
	made.Notation, _, err = with.Sign(context.Background(), wanted, notation.SignerSignOptions{SignatureMediaType: jose})
	return err
}

func inPEM(certificate *x509.Certificate) string {
	return strings.TrimSpace(string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Raw}))) + "\n"
}
