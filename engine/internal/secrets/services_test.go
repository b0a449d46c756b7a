package secrets

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/getsops/sops/v3/keyservice"
)

func open(keys Keys, key *keyservice.Key) ([]byte, *opener, error) {
	o := &opener{ctx: background, keys: keys}
	answer, err := o.Decrypt(background, &keyservice.DecryptRequest{Key: key, Ciphertext: []byte("QUFBQQ==")})
	if err != nil {
		return nil, o, fmt.Errorf("%s", strings.Join(o.refusals, "; "))
	}
	return answer.Plaintext, o, nil
}

func awsKey(arn string) *keyservice.Key {
	return &keyservice.Key{KeyType: &keyservice.Key_KmsKey{KmsKey: &keyservice.KmsKey{Arn: arn}}}
}

func azureKey(address string) *keyservice.Key {
	key := &keyservice.AzureKeyVaultKey{VaultUrl: address, Name: "fleet", Version: "1"}
	return &keyservice.Key{KeyType: &keyservice.Key_AzureKeyvaultKey{AzureKeyvaultKey: key}}
}

func gcpKMSKey(resource string) *keyservice.Key {
	return &keyservice.Key{KeyType: &keyservice.Key_GcpKmsKey{GcpKmsKey: &keyservice.GcpKmsKey{ResourceId: resource}}}
}

func vaultKey(address string) *keyservice.Key {
	key := &keyservice.VaultKey{VaultAddress: address, EnginePath: "transit", KeyName: "fleet"}
	return &keyservice.Key{KeyType: &keyservice.Key_VaultKey{VaultKey: key}}
}

// What a document says about a key never leads credentials elsewhere.
func TestWhereCredentialsGo(t *testing.T) {
	aws := Keys{AWS: &AWSKeys{AccessKeyID: "A", SecretAccessKey: "HUNTER2"}}
	token := Keys{Azure: &Azure{AccessToken: "HUNTER2"}, GCP: &GCP{AccessToken: "HUNTER2"}}
	for name, c := range map[string]struct {
		keys Keys
		key  *keyservice.Key
		want string
	}{
		"region with a host":  {aws, awsKey("arn:aws:kms:evil.example.test/#:1:key/x"), "not the ARN of a KMS key"},
		"region with a port":  {aws, awsKey("arn:aws:kms:eu-west-1:443@evil:1:key/x"), "not the ARN of a KMS key"},
		"no Azure host":       {token, azureKey("https://evil.example.test"), "host 'evil.example.test' is not of Azure"},
		"Azure host as user":  {token, azureKey("https://x.vault.azure.net@evil.example.test"), "not an https URL"},
		"Azure without TLS":   {token, azureKey("http://x.vault.azure.net"), "not an https URL"},
		"no key ID":           {token, gcpKMSKey("projects/p/locations/l/keyRings/r/cryptoKeys/k?x="), "not the resource ID of a key"},
		"file on our machine": {Keys{GCP: &GCP{Credentials: `{"type": "external_account"}`}}, gcpKMSKey("projects/p/locations/l/keyRings/r/cryptoKeys/k"), "type 'external_account' is none of"},
		"other Vault":         {Keys{Vault: VaultKeys{Logins: map[string]string{"https://vault": "HUNTER2"}}}, vaultKey("https://vault.evil"), "no credentials for it are configured"},
		"metadata service":    {Keys{Vault: VaultKeys{Token: "HUNTER2"}}, vaultKey("http://169.254.169.254"), "link-local and metadata addresses are not key services"},
		"metadata by mapping": {Keys{Vault: VaultKeys{Token: "HUNTER2"}}, vaultKey("http://[::ffff:169.254.169.254]"), "link-local and metadata addresses are not key services"},
	} {
		if _, _, err := open(c.keys, c.key); err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "HUNTER2") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestLacking(t *testing.T) {
	for want, key := range map[Lack]*keyservice.Key{
		{Service: "aws", Region: "eu-west-1"}:                    awsKey("arn:aws:kms:eu-west-1:111122223333:key/x"),
		{Service: "azure", Address: "https://x.vault.azure.net"}: azureKey("https://x.vault.azure.net"),
		{Service: "gcp"}: gcpKMSKey("projects/p/locations/l/keyRings/r/cryptoKeys/k"),
		{Service: "vault", Address: "https://vault.example.test/up"}: vaultKey("https://vault.example.test/up"),
	} {
		if _, o, err := open(Keys{}, key); err == nil || len(o.lacking) != 1 || o.lacking[0] != want {
			t.Errorf("%v: %v %v", want, o.lacking, err)
		}
	}
}

// The host is its author's choice: what it says comes through only in the form of a key service's error, without secrets.
func TestWhatServicesSay(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("followed a redirect") }))
	defer elsewhere.Close()
	answers := map[string]http.HandlerFunc{
		"HTTP status 403: permission denied": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprint(w, `{"errors": ["permission denied"]}`)
		},
		"HTTP status 500: token *** is wrong": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusInternalServerError)
			fmt.Fprint(w, `{"errors": ["token HUNTER2 is wrong"]}`)
		},
		"HTTP status 404": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprint(w, "internal page")
		},
		"HTTP status 307": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
		},
		"the answer is not JSON":  func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "internal page") },
		"answer has no plaintext": func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "{}") },
	}
	for want, answer := range answers {
		server := httptest.NewServer(answer)
		_, _, err := open(Keys{Vault: VaultKeys{Token: "HUNTER2"}}, vaultKey(server.URL))
		server.Close()
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "internal page") || strings.Contains(err.Error(), "HUNTER2") {
			t.Errorf("%s: %v", want, err)
		}
	}
}

func TestVaultPaths(t *testing.T) {
	var path string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path = r.URL.Path
		fmt.Fprint(w, `{"data": {"plaintext": "c2VjcmV0"}}`)
	}))
	defer server.Close()
	for engine, want := range map[string]string{
		"transit":          "/v1/transit/decrypt/fleet",
		"team/transit/":    "/v1/team/transit/decrypt/fleet",
		"../../sys/unseal": "/v1/sys/unseal/decrypt/fleet",
	} {
		key := vaultKey(server.URL)
		key.GetVaultKey().EnginePath = engine
		plain, _, err := open(Keys{Vault: VaultKeys{Token: "x"}}, key)
		if err != nil || string(plain) != "secret" || path != want {
			t.Errorf("%s: %s %v", engine, path, err)
		}
	}
}
