package secrets

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"regexp"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/google"
)

const (
	gcpHost  = "cloudkms.googleapis.com"
	gcpScope = "https://www.googleapis.com/auth/cloudkms"
)

var gcpKey = regexp.MustCompile(`^projects/[^/?#]+/locations/[^/?#]+/keyRings/[^/?#]+/cryptoKeys/[^/?#]+$`)

// openGCP asks Cloud KMS, by its JSON API.
func (o *opener) openGCP(resource string, sealed []byte) ([]byte, error) {
	name := fmt.Sprintf("GCP KMS key '%s'", resource)
	if !gcpKey.MatchString(resource) {
		return nil, fmt.Errorf("%s: not the resource ID of a key", name)
	}
	if o.keys.GCP == nil {
		return nil, o.lacks(Lack{Service: "gcp"}, name)
	}
	token, err := o.keys.GCP.token(o.ctx)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	address := url.URL{Scheme: "https", Host: gcpHost, Path: "/v1/" + resource + ":decrypt"}
	var answer struct {
		Plaintext string `json:"plaintext"`
	}
	headers := map[string]string{"Authorization": "Bearer " + token}
	if err := post(o.ctx, reaching(gcpHost), address, headers, map[string]string{"ciphertext": string(sealed)}, &answer); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	plain, err := base64.StdEncoding.DecodeString(answer.Plaintext)
	if err != nil {
		return nil, fmt.Errorf("%s: the answer is not base64", name)
	}
	return plain, nil
}

// token exchanges a key file for a token. Files of other types than these two are refused: they can name programs, files and
// addresses of this machine to get credentials from.
func (g *GCP) token(ctx context.Context) (string, error) {
	if g.AccessToken != "" {
		return g.AccessToken, nil
	}
	var file struct {
		Type         string `json:"type"`
		ClientID     string `json:"client_id"`
		ClientSecret string `json:"client_secret"`
		RefreshToken string `json:"refresh_token"`
	}
	if err := json.Unmarshal([]byte(g.Credentials), &file); err != nil {
		return "", errors.New("sops.gcp-kms is not JSON")
	}
	switch file.Type {
	case "service_account":
		config, err := google.JWTConfigFromJSON([]byte(g.Credentials), gcpScope)
		if err != nil {
			return "", errors.New("sops.gcp-kms cannot be read as a service account's key")
		}
		return fetchToken(ctx, config.TokenURL, func(ctx context.Context) (*oauth2.Token, error) { return config.TokenSource(ctx).Token() })
	case "authorized_user":
		config := oauth2.Config{ClientID: file.ClientID, ClientSecret: file.ClientSecret, Endpoint: google.Endpoint}
		return fetchToken(ctx, google.Endpoint.TokenURL, func(ctx context.Context) (*oauth2.Token, error) {
			return config.TokenSource(ctx, &oauth2.Token{RefreshToken: file.RefreshToken}).Token()
		})
	}
	return "", fmt.Errorf("sops.gcp-kms: type '%s' is none of service_account, authorized_user", file.Type)
}

func fetchToken(ctx context.Context, address string, fetch func(context.Context) (*oauth2.Token, error)) (string, error) {
	parsed, err := url.Parse(address)
	if err != nil || parsed.Scheme != "https" {
		return "", errors.New("sops.gcp-kms: token_uri is not an https URL")
	}
	token, err := fetch(context.WithValue(ctx, oauth2.HTTPClient, reaching(parsed.Host)))
	if refused := new(oauth2.RetrieveError); errors.As(err, &refused) {
		return "", fmt.Errorf("login: %w", refusalOf(refused.Response.StatusCode, refused.Body))
	}
	if err != nil {
		return "", fmt.Errorf("login: %w", reasonOf(err))
	}
	return token.AccessToken, nil
}
