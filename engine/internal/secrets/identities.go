package secrets

import (
	"bytes"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"strings"

	"filippo.io/age"
	"filippo.io/age/agessh"
	"filippo.io/age/armor"
)

// openAge decrypts a data key that was encrypted to the recipient.
func openAge(identities []age.Identity, recipient string, sealed []byte) ([]byte, error) {
	if len(identities) == 0 {
		return nil, errors.New("no age identity is configured")
	}
	reader, err := age.Decrypt(armor.NewReader(bytes.NewReader(sealed)), identities...)
	if noMatch := new(age.NoIdentityMatchError); errors.As(err, &noMatch) {
		return nil, fmt.Errorf("no identity matches the recipient %s", recipient)
	}
	if err != nil {
		return nil, fmt.Errorf("recipient %s: %w", recipient, err)
	}
	return io.ReadAll(io.LimitReader(reader, maxDataKey))
}

// parseIdentities reads the text of *.agekey files: one native identity (also post-quantum) a line, comments, and SSH
// private keys as PEM. Errors name the line, never its text.
func parseIdentities(text string) ([]age.Identity, error) {
	var identities []age.Identity
	lines := strings.Split(text, "\n")
	for i := 0; i < len(lines); i++ {
		line, number := strings.TrimSpace(lines[i]), i+1
		var parsed age.Identity
		var err error
		switch {
		case line == "" || strings.HasPrefix(line, "#"):
			continue
		case strings.HasPrefix(line, "-----BEGIN "):
			block := line + "\n"
			for i++; i < len(lines); i++ {
				block += strings.TrimSpace(lines[i]) + "\n"
				if strings.HasPrefix(strings.TrimSpace(lines[i]), "-----END ") {
					break
				}
			}
			parsed, err = parseSSH(block)
		case strings.HasPrefix(line, "AGE-SECRET-KEY-PQ-1"):
			parsed, err = age.ParseHybridIdentity(line)
		default:
			parsed, err = age.ParseX25519Identity(line)
		}
		if err != nil {
			return nil, fmt.Errorf("age identity at line %d: %w", number, hideKey(err))
		}
		identities = append(identities, parsed)
	}
	return identities, nil
}

func parseSSH(block string) (age.Identity, error) {
	if decoded, _ := pem.Decode([]byte(block)); decoded == nil {
		return nil, errors.New("malformed PEM")
	}
	return agessh.ParseIdentity([]byte(block))
}

// hideKey: some parsers quote what they could not read.
func hideKey(err error) error {
	if strings.Contains(strings.ToUpper(err.Error()), "AGE-SECRET-KEY") {
		return errors.New("malformed secret key")
	}
	return err
}

func parseRecipient(text string) (age.Recipient, error) {
	switch {
	case strings.HasPrefix(text, "ssh-"):
		return agessh.ParseRecipient(text)
	case strings.HasPrefix(text, "age1pq1"):
		return age.ParseHybridRecipient(text)
	}
	return age.ParseX25519Recipient(text)
}
