package secrets

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/getsops/sops/v3"
	"github.com/getsops/sops/v3/aes"
	sopsage "github.com/getsops/sops/v3/age"
	"github.com/getsops/sops/v3/hcvault"
	"github.com/getsops/sops/v3/keys"
	"github.com/getsops/sops/v3/keyservice"
	"github.com/getsops/sops/v3/pgp"
	"google.golang.org/grpc"
)

// sealer is the other side: SOPS encrypts data keys, or shares of one, with it.
type sealer struct{ rings openpgp.EntityList }

func (s sealer) Decrypt(context.Context, *keyservice.DecryptRequest, ...grpc.CallOption) (*keyservice.DecryptResponse, error) {
	return nil, fmt.Errorf("encrypts only")
}

func (s sealer) Encrypt(_ context.Context, request *keyservice.EncryptRequest, _ ...grpc.CallOption) (*keyservice.EncryptResponse, error) {
	switch key := request.Key.KeyType.(type) {
	case *keyservice.Key_AgeKey:
		recipient, err := parseRecipient(key.AgeKey.Recipient)
		if err != nil {
			return nil, err
		}
		sealed, err := seal(request.Plaintext, recipient)
		return &keyservice.EncryptResponse{Ciphertext: []byte(sealed)}, err
	case *keyservice.Key_PgpKey:
		for _, entity := range s.rings {
			if fmt.Sprintf("%X", entity.PrimaryKey.Fingerprint) == key.PgpKey.Fingerprint {
				sealed, err := sealPGP(entity, request.Plaintext)
				return &keyservice.EncryptResponse{Ciphertext: sealed}, err
			}
		}
	}
	return &keyservice.EncryptResponse{Ciphertext: []byte("vault:v1:AAAA")}, nil
}

func sealPGP(entity *openpgp.Entity, plain []byte) ([]byte, error) {
	var out bytes.Buffer
	armored, err := armor.Encode(&out, "PGP MESSAGE", nil)
	if err != nil {
		return nil, err
	}
	writer, err := openpgp.Encrypt(armored, openpgp.EntityList{entity}, nil, nil, nil)
	if err != nil {
		return nil, err
	}
	if _, err := writer.Write(plain); err != nil {
		return nil, err
	}
	err = errors.Join(writer.Close(), armored.Close()) // closing writes too
	return out.Bytes(), err
}

func newEntity(t *testing.T) *openpgp.Entity {
	t.Helper()
	entity, err := openpgp.NewEntity("fleet", "", "fleet@example.test", nil)
	if err != nil {
		t.Fatal(err)
	}
	return entity
}

func ringOf(t *testing.T, entity *openpgp.Entity) []byte {
	t.Helper()
	var out bytes.Buffer
	armored, err := armor.Encode(&out, openpgp.PrivateKeyType, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := entity.SerializePrivateWithoutSigning(armored, nil); err != nil {
		t.Fatal(err)
	}
	if err := armored.Close(); err != nil {
		t.Fatal(err)
	}
	return append(out.Bytes(), '\n')
}

func pgpKey(entity *openpgp.Entity) keys.MasterKey {
	return pgp.NewMasterKeyFromFingerprint(fmt.Sprintf("%X", entity.PrimaryKey.Fingerprint))
}

func sealGroups(t *testing.T, s sealer, threshold int, groups ...sops.KeyGroup) []byte {
	t.Helper()
	store, err := storeOf("yaml")
	if err != nil {
		t.Fatal(err)
	}
	branches, err := store.LoadPlainFile([]byte("password: s3cret\n"))
	if err != nil {
		t.Fatal(err)
	}
	tree := sops.Tree{Branches: branches, Metadata: sops.Metadata{KeyGroups: groups, ShamirThreshold: threshold}}
	key := bytes.Repeat([]byte{7}, 32)
	if errs := tree.Metadata.UpdateMasterKeysWithKeyServices(key, []keyservice.KeyServiceClient{s}); len(errs) > 0 {
		t.Fatal(errs)
	}
	if _, err := tree.Encrypt(key, aes.NewCipher()); err != nil {
		t.Fatal(err)
	}
	tree.Metadata.MessageAuthenticationCode = "ENC[AES256_GCM,data:AA==,iv:AA==,tag:AA==,type:str]" // SK24: nobody looks
	content, err := store.EmitEncryptedFile(tree)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func decryptYAML(document []byte, keys Keys) (string, []Lack, error) {
	result, err := Decrypt(background, DecryptArgs{Data: document, InputFormat: "yaml", Keys: keys})
	if result.Reason != "" {
		err = fmt.Errorf("%s", result.Reason)
	}
	return string(result.Data), result.Lacking, err
}

func TestPGP(t *testing.T) {
	entity, other := newEntity(t), newEntity(t)
	document := sealGroups(t, sealer{openpgp.EntityList{entity}}, 0, sops.KeyGroup{pgpKey(entity)})
	fingerprint := fmt.Sprintf("%X", entity.PrimaryKey.Fingerprint)
	both := append(ringOf(t, other), ringOf(t, entity)...)
	var binary bytes.Buffer
	if err := entity.SerializePrivateWithoutSigning(&binary, nil); err != nil {
		t.Fatal(err)
	}
	for name, ring := range map[string][]byte{"one": ringOf(t, entity), "two in a file": both, "binary": binary.Bytes()} {
		if plain, _, err := decryptYAML(document, Keys{PGP: [][]byte{ring}}); err != nil || plain != "password: s3cret\n" {
			t.Errorf("%s: %v %s", name, err, plain)
		}
	}
	locked := newEntity(t)
	if err := locked.EncryptPrivateKeys([]byte("HUNTER2"), nil); err != nil {
		t.Fatal(err)
	}
	lockedDocument := sealGroups(t, sealer{openpgp.EntityList{locked}}, 0, sops.KeyGroup{pgpKey(locked)})
	for name, c := range map[string]struct {
		document []byte
		keys     Keys
		want     string
	}{
		"none":   {document, Keys{}, "PGP key " + fingerprint + ": no key ring is configured"},
		"wrong":  {document, Keys{PGP: [][]byte{ringOf(t, other)}}, "PGP key " + fingerprint + ": no private key of the key rings opens it"},
		"locked": {lockedDocument, Keys{PGP: [][]byte{ringOf(t, locked)}}, "keys with a passphrase cannot be used"},
	} {
		if _, _, err := decryptYAML(c.document, c.keys); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Key groups: a share of the data key each, of which the threshold is needed (Shamir).
func TestGroups(t *testing.T) {
	ages := []pair{pairs(t)["age "], pairs(t)["age "]}
	entity := newEntity(t)
	group := func(age pair) sops.KeyGroup { return sops.KeyGroup{&sopsage.MasterKey{Recipient: age.recipient}} }
	document := sealGroups(t, sealer{openpgp.EntityList{entity}}, 2, group(ages[0]), group(ages[1]), sops.KeyGroup{pgpKey(entity)})
	ring := ringOf(t, entity)
	for name, keys := range map[string]Keys{
		"age and age": {Age: ages[0].identity + "\n" + ages[1].identity},
		"age and PGP": {Age: ages[1].identity, PGP: [][]byte{ring}},
		"all":         {Age: ages[0].identity + "\n" + ages[1].identity, PGP: [][]byte{ring}},
	} {
		if plain, _, err := decryptYAML(document, keys); err != nil || plain != "password: s3cret\n" {
			t.Errorf("%s: %v %s", name, err, plain)
		}
	}
	if _, _, err := decryptYAML(document, Keys{PGP: [][]byte{ring}}); err == nil || !strings.Contains(err.Error(), "no age identity is configured") {
		t.Errorf("below the threshold: %v", err)
	}
}

// A key at hand is used before a service is asked: nothing is lacking then.
func TestNearKeysFirst(t *testing.T) {
	age := pairs(t)["age "]
	vault := &hcvault.MasterKey{VaultAddress: "https://vault.example.test", EnginePath: "transit", KeyName: "fleet"}
	document := sealGroups(t, sealer{}, 0, sops.KeyGroup{vault, &sopsage.MasterKey{Recipient: age.recipient}})
	if plain, lacking, err := decryptYAML(document, Keys{Age: age.identity}); err != nil || len(lacking) > 0 || plain != "password: s3cret\n" {
		t.Errorf("%v %v %s", err, lacking, plain)
	}
	_, lacking, err := decryptYAML(document, Keys{})
	want := Lack{Service: "vault", Address: "https://vault.example.test"}
	if len(lacking) != 1 || lacking[0] != want || !strings.Contains(err.Error(), "Vault key 'https://vault.example.test/v1/transit/keys/fleet': no credentials") {
		t.Errorf("%v %v", lacking, err)
	}
}

func TestTooManyKeys(t *testing.T) {
	age := pairs(t)["age "]
	var group sops.KeyGroup
	for range maxMasterKeys + 1 {
		group = append(group, &sopsage.MasterKey{Recipient: age.recipient})
	}
	if _, _, err := decryptYAML(sealGroups(t, sealer{}, 0, group), Keys{Age: age.identity}); err == nil || !strings.Contains(err.Error(), "101 keys, the limit is 100") {
		t.Error(err)
	}
}
