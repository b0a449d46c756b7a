package secrets

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"filippo.io/age"
	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/getsops/sops/v3/keyservice"
	"google.golang.org/grpc"

	"fleetloop.dev/engine/internal/mask"
)

const (
	maxDataKey  = 1 << 16 // bytes; real ones have 32, shares of one 33
	maxReasons  = 10
	longestText = 400 // bytes of one reason
)

// opener answers SOPS's requests for a data key with the keys of one call, and with nothing else. It carries the call's
// context, for which SOPS has no room.
type opener struct {
	ctx        context.Context
	keys       Keys
	identities []age.Identity
	ring       openpgp.EntityList

	lacking  []Lack
	refusals []string
}

func newOpener(ctx context.Context, keys Keys) (*opener, error) {
	identities, err := parseIdentities(keys.Age)
	if err != nil {
		return nil, err
	}
	ring, err := parseRings(keys.PGP)
	if err != nil {
		return nil, err
	}
	return &opener{ctx: ctx, keys: keys, identities: identities, ring: ring}, nil
}

// Decrypt is what SOPS calls, once for each key it tries.
func (o *opener) Decrypt(
	_ context.Context, request *keyservice.DecryptRequest, _ ...grpc.CallOption,
) (*keyservice.DecryptResponse, error) {
	plain, err := o.open(request)
	if err != nil {
		o.refuse(err)
		return nil, err
	}
	return &keyservice.DecryptResponse{Plaintext: plain}, nil
}

// Encrypt is never called: this service decrypts.
func (o *opener) Encrypt(context.Context, *keyservice.EncryptRequest, ...grpc.CallOption) (*keyservice.EncryptResponse, error) {
	return nil, errors.New("this service decrypts only")
}

func (o *opener) open(request *keyservice.DecryptRequest) ([]byte, error) {
	if err := o.ctx.Err(); err != nil {
		return nil, err
	}
	switch key := request.Key.KeyType.(type) {
	case *keyservice.Key_AgeKey:
		return openAge(o.identities, key.AgeKey.Recipient, request.Ciphertext)
	case *keyservice.Key_PgpKey:
		return openPGP(o.ring, key.PgpKey.Fingerprint, request.Ciphertext)
	case *keyservice.Key_KmsKey:
		return o.openAWS(key.KmsKey, request.Ciphertext)
	case *keyservice.Key_AzureKeyvaultKey:
		return o.openAzure(key.AzureKeyvaultKey, request.Ciphertext)
	case *keyservice.Key_GcpKmsKey:
		return o.openGCP(key.GcpKmsKey.ResourceId, request.Ciphertext)
	case *keyservice.Key_VaultKey:
		return o.openVault(key.VaultKey, request.Ciphertext)
	}
	return nil, errors.New("a key of an unknown type")
}

// lacks notes what the caller could fetch, and is the reason until it has.
func (o *opener) lacks(lack Lack, key string) error {
	if !slices.Contains(o.lacking, lack) {
		o.lacking = append(o.lacking, lack)
	}
	return fmt.Errorf("%s: no credentials for it are configured", key)
}

func (o *opener) refuse(err error) {
	text := mask.Error(err, o.keys.secrets()...).Error()
	text = strings.Join(strings.Fields(text), " ") // libraries write pages
	if len(text) > longestText {
		text = strings.ToValidUTF8(text[:longestText], "") + "..."
	}
	if !slices.Contains(o.refusals, text) {
		o.refusals = append(o.refusals, text)
	}
}

// reason is why SOPS has no data key; `err` is its own word, for when no key refused.
func (o *opener) reason(err error) error {
	if len(o.refusals) == 0 {
		return fmt.Errorf("cannot get sops data key: %w", err)
	}
	told := o.refusals
	if more := len(told) - maxReasons; more > 0 {
		told = append(slices.Clone(told[:maxReasons]), fmt.Sprintf("and %d more", more))
	}
	return errors.New("cannot get sops data key: " + strings.Join(told, "; "))
}
