package secrets

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"filippo.io/age"
	"filippo.io/age/armor"
	"github.com/getsops/sops/v3"
	"github.com/getsops/sops/v3/aes"
	sopsage "github.com/getsops/sops/v3/age"
	"github.com/getsops/sops/v3/version"
)

// EncryptArgs are the arguments of the verb sops.encrypt.
type EncryptArgs struct {
	Data           []byte   `json:"data"` // base64
	Format         string   `json:"format"`
	Recipients     []string `json:"recipients"`     // age1..., age1pq1..., ssh-...: each can decrypt
	EncryptedRegex string   `json:"encryptedRegex"` // keys whose values are encrypted; "": all
}

// EncryptResult has the encrypted document in the same format.
type EncryptResult struct {
	Data []byte `json:"data"`
}

// Encrypt is the verb sops.encrypt: for our own tooling and tests, not for controllers.
func Encrypt(_ context.Context, args EncryptArgs) (EncryptResult, error) {
	format, err := storeOf(args.Format)
	if err != nil {
		return EncryptResult{}, err
	}
	if len(args.Recipients) == 0 {
		return EncryptResult{}, errors.New("no recipient")
	}
	branches, err := format.LoadPlainFile(args.Data)
	if err != nil {
		return EncryptResult{}, fmt.Errorf("read %s data: %w", args.Format, err)
	}
	dataKey := make([]byte, 32)
	rand.Read(dataKey)
	group, err := keysFor(args.Recipients, dataKey)
	if err != nil {
		return EncryptResult{}, err
	}
	tree := sops.Tree{Branches: branches, Metadata: sops.Metadata{
		KeyGroups:      []sops.KeyGroup{group},
		EncryptedRegex: args.EncryptedRegex,
		Version:        version.Version,
		LastModified:   time.Now().UTC(),
	}}
	if args.EncryptedRegex == "" {
		tree.Metadata.UnencryptedSuffix = sops.DefaultUnencryptedSuffix
	}
	cipher := aes.NewCipher()
	mac, err := tree.Encrypt(dataKey, cipher)
	if err != nil {
		return EncryptResult{}, fmt.Errorf("encrypt: %w", err)
	}
	stamp := tree.Metadata.LastModified.Format(time.RFC3339)
	if tree.Metadata.MessageAuthenticationCode, err = cipher.Encrypt(mac, dataKey, stamp); err != nil {
		return EncryptResult{}, fmt.Errorf("encrypt the MAC: %w", err)
	}
	data, err := format.EmitEncryptedFile(tree)
	return EncryptResult{Data: data}, err
}

func keysFor(recipients []string, dataKey []byte) (sops.KeyGroup, error) {
	var group sops.KeyGroup
	for _, text := range recipients {
		recipient, err := parseRecipient(text)
		if err != nil {
			return nil, fmt.Errorf("recipient '%s': %w", text, err)
		}
		sealed, err := seal(dataKey, recipient)
		if err != nil {
			return nil, fmt.Errorf("encrypt data key for '%s': %w", text, err)
		}
		group = append(group, &sopsage.MasterKey{Recipient: text, EncryptedKey: sealed})
	}
	return group, nil
}

func seal(plain []byte, recipient age.Recipient) (string, error) {
	var out bytes.Buffer
	armored := armor.NewWriter(&out)
	writer, err := age.Encrypt(armored, recipient)
	if err != nil {
		return "", err
	}
	_, err = writer.Write(plain)
	err = errors.Join(err, writer.Close(), armored.Close()) // closing writes too
	return out.String(), err
}
