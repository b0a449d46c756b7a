package notary

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"fleetloop.dev/engine/signatures/internal/signing"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

const policy = `{"version":"1.0","trustPolicies":[{"name":"all","registryScopes":["%s"],
"signatureVerification":{"level":"%s"},"trustStores":["ca:all"],"trustedIdentities":["*"]}]}`

func TestVerify(t *testing.T) {
	image := digest.FromString("an image")
	made, err := signing.All(ocispec.Descriptor{Digest: image, MediaType: ocispec.MediaTypeImageManifest, Size: 8})
	if err != nil {
		t.Fatal(err)
	}
	signed := []Envelope{{"application/jose+json", made.Notation}}
	stranger := "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n"
	for _, c := range []struct {
		name                        string
		scope, level                string
		size                        int64
		signatures                  []Envelope
		certificates                []string
		verified, ignored, refusing bool
		problem                     string
	}{
		{"good", "*", "strict", 8, signed, []string{made.Certificate}, true, false, false, ""},
		{"good after a bad one", "*", "strict", 8, append([]Envelope{{"application/jose+json", []byte("{}")}}, signed...), []string{made.Certificate}, true, false, false, ""},
		{"its repository", "reg.example/app", "strict", 8, signed, []string{made.Certificate}, true, false, false, ""},
		{"no policy for it", "reg.example/other", "strict", 8, signed, []string{made.Certificate}, false, false, false, "reg.example/app"},
		{"another size", "*", "strict", 9, signed, []string{made.Certificate}, false, false, false, "content descriptor mismatch"},
		{"no certificate", "*", "strict", 8, signed, nil, false, false, false, "no trusted certificates"},
		{"unsigned", "*", "strict", 8, nil, []string{made.Certificate}, false, false, false, "no signature is associated"},
		{"skipped", "*", "skip", 8, nil, nil, false, true, false, ""},
		{"logged alone", "*", "audit", 8, signed, nil, false, true, false, "no trusted certificates"},
		{"no certificate at all", "*", "strict", 8, signed, []string{stranger}, false, false, true, ""},
		{"unknown level", "*", "lax", 8, signed, []string{made.Certificate}, false, false, true, ""},
	} {
		document := fmt.Sprintf(policy, c.scope, c.level)
		if c.level == "skip" {
			document = strings.Replace(strings.Replace(document, `"trustStores":["ca:all"],`, "", 1), `"trustedIdentities":["*"]`, `"trustedIdentities":[]`, 1)
		}
		result, err := Verify(context.Background(), Args{
			Reference: "reg.example/app@" + image.String(), MediaType: ocispec.MediaTypeImageManifest, Digest: image.String(), Size: c.size,
			Signatures: c.signatures, Certificates: c.certificates, TrustPolicy: document,
		})
		if (err != nil) != c.refusing {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if result.Verified != c.verified || result.Ignored != c.ignored || !strings.Contains(result.Problem, c.problem) {
			t.Errorf("%s: %+v", c.name, result)
		}
	}
}
