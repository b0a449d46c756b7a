package cosign

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"

	bundlev1 "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	commonv1 "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	rekorv1 "github.com/sigstore/protobuf-specs/gen/pb-go/rekor/v1"
	"github.com/sigstore/sigstore-go/pkg/bundle"
	"github.com/sigstore/sigstore-go/pkg/verify"
)

// Legacy is one layer of the tag beside the image: what was signed, and the layer's annotations.
type Legacy struct {
	Payload     []byte `json:"payload"`
	Signature   string `json:"signature"`   // base64
	Certificate string `json:"certificate"` // PEM; keyless
	Log         string `json:"log"`         // the log's promise, as JSON
	Timestamp   string `json:"timestamp"`   // of a timestamping authority, as JSON
}

func (a attempt) tryLegacy(signed Legacy, digest string) error {
	if err := signed.speaksOf(digest); err != nil {
		return err
	}
	signature, err := base64.StdEncoding.DecodeString(signed.Signature)
	if err != nil {
		return errors.New("the signature is no base64")
	}
	if a.key != nil {
		return a.key.VerifySignature(bytes.NewReader(signature), bytes.NewReader(signed.Payload))
	}
	made, err := signed.bundle(signature)
	if err != nil {
		return err
	}
	_, err = a.verifier.Verify(made, verify.NewPolicy(verify.WithArtifact(bytes.NewReader(signed.Payload)), a.signer...))
	return err
}

// speaksOf: what was signed names the image by its digest.
func (s Legacy) speaksOf(digest string) error {
	var payload struct {
		Critical struct {
			Image struct {
				Digest string `json:"docker-manifest-digest"`
			} `json:"image"`
		} `json:"critical"`
	}
	if err := json.Unmarshal(s.Payload, &payload); err != nil {
		return errors.New("the signed payload cannot be read")
	}
	if payload.Critical.Image.Digest != digest {
		return fmt.Errorf("the signature is of another image, %s", payload.Critical.Image.Digest)
	}
	return nil
}

// bundle says the same in the newer form, of which one verifier is enough.
func (s Legacy) bundle(signature []byte) (*bundle.Bundle, error) {
	block, _ := pem.Decode([]byte(s.Certificate))
	if block == nil {
		return nil, errors.New("the signature has no certificate")
	}
	material := &bundlev1.VerificationMaterial{Content: &bundlev1.VerificationMaterial_X509CertificateChain{
		X509CertificateChain: &commonv1.X509CertificateChain{Certificates: []*commonv1.X509Certificate{{RawBytes: block.Bytes}}},
	}}
	if s.Log != "" {
		entry, err := logEntry(s.Log)
		if err != nil {
			return nil, err
		}
		material.TlogEntries = []*rekorv1.TransparencyLogEntry{entry}
	}
	if s.Timestamp != "" {
		var stamp struct{ SignedRFC3161Timestamp []byte }
		if err := json.Unmarshal([]byte(s.Timestamp), &stamp); err != nil {
			return nil, errors.New("the signature's timestamp cannot be read")
		}
		material.TimestampVerificationData = &bundlev1.TimestampVerificationData{
			Rfc3161Timestamps: []*commonv1.RFC3161SignedTimestamp{{SignedTimestamp: stamp.SignedRFC3161Timestamp}},
		}
	}
	sum := sha256.Sum256(s.Payload)
	return bundle.NewBundle(&bundlev1.Bundle{
		MediaType:            "application/vnd.dev.sigstore.bundle+json;version=0.1",
		VerificationMaterial: material,
		Content: &bundlev1.Bundle_MessageSignature{MessageSignature: &commonv1.MessageSignature{
			MessageDigest: &commonv1.HashOutput{Algorithm: commonv1.HashAlgorithm_SHA2_256, Digest: sum[:]},
			Signature:     signature,
		}},
	})
}

func logEntry(text string) (*rekorv1.TransparencyLogEntry, error) {
	var log struct {
		SignedEntryTimestamp []byte
		Payload              struct {
			Body           []byte `json:"body"`
			IntegratedTime int64  `json:"integratedTime"`
			LogIndex       int64  `json:"logIndex"`
			LogID          string `json:"logID"`
		}
	}
	var body struct {
		Kind    string `json:"kind"`
		Version string `json:"apiVersion"`
	}
	if json.Unmarshal([]byte(text), &log) != nil || json.Unmarshal(log.Payload.Body, &body) != nil {
		return nil, errors.New("the signature's entry of the transparency log cannot be read")
	}
	id, err := hex.DecodeString(log.Payload.LogID)
	if err != nil {
		return nil, errors.New("the signature's entry of the transparency log names no log")
	}
	return &rekorv1.TransparencyLogEntry{
		LogIndex:          log.Payload.LogIndex,
		LogId:             &commonv1.LogId{KeyId: id},
		KindVersion:       &rekorv1.KindVersion{Kind: body.Kind, Version: body.Version},
		IntegratedTime:    log.Payload.IntegratedTime,
		InclusionPromise:  &rekorv1.InclusionPromise{SignedEntryTimestamp: log.SignedEntryTimestamp},
		CanonicalizedBody: log.Payload.Body,
	}, nil
}
