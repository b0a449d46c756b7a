// Package secrets decrypts and encrypts SOPS documents with age keys. It reads keys from its arguments alone: never from the
// environment, a home folder or an agent.
package secrets

import (
	"encoding/pem"
	"errors"
	"fmt"
	"strings"

	"filippo.io/age"
	"filippo.io/age/agessh"
)

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
