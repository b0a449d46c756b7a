package secrets

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	pgperrors "github.com/ProtonMail/go-crypto/openpgp/errors"
)

// parseRings reads private key rings as `gpg --export-secret-keys` writes them: armored, several blocks below each other, or
// binary. Errors tell nothing of what was read.
func parseRings(rings [][]byte) (openpgp.EntityList, error) {
	var all openpgp.EntityList
	for _, ring := range rings {
		found, err := parseRing(ring)
		if err != nil || len(found) == 0 {
			return nil, errors.New("PGP key ring (*.asc): cannot be read as private keys")
		}
		all = append(all, found...)
	}
	return all, nil
}

func parseRing(ring []byte) (openpgp.EntityList, error) {
	const begin = "-----BEGIN PGP "
	if !bytes.Contains(ring, []byte(begin)) {
		return openpgp.ReadKeyRing(bytes.NewReader(ring))
	}
	var all openpgp.EntityList
	for _, block := range strings.Split(string(ring), begin)[1:] {
		found, err := openpgp.ReadArmoredKeyRing(strings.NewReader(begin + block))
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	return all, nil
}

// openPGP decrypts an armored message that was encrypted to the key with the fingerprint.
func openPGP(ring openpgp.EntityList, fingerprint string, sealed []byte) ([]byte, error) {
	if len(ring) == 0 {
		return nil, fmt.Errorf("PGP key %s: no key ring is configured", fingerprint)
	}
	plain, err := readMessage(ring, sealed)
	switch {
	case err == nil:
		return plain, nil
	case !errors.Is(err, pgperrors.ErrKeyIncorrect):
		return nil, fmt.Errorf("PGP key %s: %w", fingerprint, err)
	case isLocked(ring):
		return nil, fmt.Errorf("PGP key %s: no unlocked private key opens it; keys with a passphrase cannot be used", fingerprint)
	}
	return nil, fmt.Errorf("PGP key %s: no private key of the key rings opens it", fingerprint)
}

func readMessage(ring openpgp.EntityList, sealed []byte) ([]byte, error) {
	block, err := armor.Decode(bytes.NewReader(sealed))
	if err != nil {
		return nil, fmt.Errorf("the encrypted data key is no PGP message: %w", err)
	}
	message, err := openpgp.ReadMessage(block.Body, ring, nil, nil)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(message.UnverifiedBody, maxDataKey))
}

func isLocked(ring openpgp.EntityList) bool {
	for _, entity := range ring {
		if entity.PrivateKey != nil && entity.PrivateKey.Encrypted {
			return true
		}
		for _, sub := range entity.Subkeys {
			if sub.PrivateKey != nil && sub.PrivateKey.Encrypted {
				return true
			}
		}
	}
	return false
}
