package secrets

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"path"
	"strings"

	"github.com/getsops/sops/v3/keyservice"
)

// openVault asks the transit engine of the Vault that the document names. A token that was given for one address goes to that
// address; the document's owner's own token goes where they say.
func (o *opener) openVault(key *keyservice.VaultKey, sealed []byte) ([]byte, error) {
	name := fmt.Sprintf("Vault key '%s/v1/%s/keys/%s'", key.VaultAddress, key.EnginePath, key.KeyName)
	vault, err := url.Parse(key.VaultAddress)
	if err != nil || (vault.Scheme != "https" && vault.Scheme != "http") || vault.Host == "" || vault.User != nil {
		return nil, fmt.Errorf("%s: not an http(s) URL", name)
	}
	token := o.keys.Vault.Token
	if token == "" {
		token = o.keys.Vault.Logins[key.VaultAddress]
	}
	if token == "" {
		return nil, o.lacks(Lack{Service: "vault", Address: key.VaultAddress}, name)
	}
	address := url.URL{
		Scheme: vault.Scheme,
		Host:   vault.Host,
		Path:   path.Join("/", vault.Path, "v1", path.Join("/", key.EnginePath), "decrypt", path.Join("/", key.KeyName)),
	}
	var answer struct {
		Data struct {
			Plaintext string `json:"plaintext"`
		} `json:"data"`
	}
	headers := map[string]string{"X-Vault-Token": token, "X-Vault-Request": "true"}
	body := map[string]string{"ciphertext": strings.TrimSpace(string(sealed))}
	if err := post(o.ctx, reaching(vault.Host), address, headers, body, &answer); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	plain, err := base64.StdEncoding.DecodeString(answer.Data.Plaintext)
	if err != nil || len(plain) == 0 {
		return nil, fmt.Errorf("%s: the answer has no plaintext", name)
	}
	return plain, nil
}
