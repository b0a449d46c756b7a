package secrets

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"
	"github.com/getsops/sops/v3/keyservice"
)

// azureVaults are the domains whose hosts are Azure's own. Somebody else's token goes to no other: the document names the host.
var azureVaults = []string{
	".vault.azure.net", ".managedhsm.azure.net",
	".vault.azure.cn", ".managedhsm.azure.cn",
	".vault.usgovcloudapi.net", ".managedhsm.usgovcloudapi.net",
}

// openAzure asks the key's vault.
func (o *opener) openAzure(key *keyservice.AzureKeyVaultKey, sealed []byte) ([]byte, error) {
	name := fmt.Sprintf("Azure Key Vault key '%s/keys/%s/%s'", key.VaultUrl, key.Name, key.Version)
	vault, err := url.Parse(key.VaultUrl)
	if err != nil || vault.Scheme != "https" || vault.Host == "" || vault.User != nil {
		return nil, fmt.Errorf("%s: not an https URL", name)
	}
	keys := o.keys.Azure
	if (keys == nil || keys.AccessToken != "") && !isAzure(vault.Host) {
		return nil, fmt.Errorf("%s: host '%s' is not of Azure, so that only a client of sops.azure-kv is sent there", name, vault.Host)
	}
	if keys == nil {
		return nil, o.lacks(Lack{Service: "azure", Address: "https://" + vault.Host}, name)
	}
	blob, err := base64.RawURLEncoding.DecodeString(string(sealed))
	if err != nil {
		return nil, fmt.Errorf("%s: the encrypted data key is not base64", name)
	}
	credential, err := keys.credential()
	if err != nil {
		return nil, fmt.Errorf("%s: sops.azure-kv: %w", name, err)
	}
	options := azkeys.ClientOptions{ClientOptions: policy.ClientOptions{Transport: reaching(vault.Host), Retry: policy.RetryOptions{MaxRetries: 1}}}
	client, err := azkeys.NewClient("https://"+vault.Host, credential, &options)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	algorithm := azkeys.EncryptionAlgorithmRSAOAEP256
	parameters := azkeys.KeyOperationParameters{Algorithm: &algorithm, Value: blob}
	answer, err := client.Decrypt(o.ctx, key.Name, key.Version, parameters, nil)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, reasonOfAzure(err))
	}
	return answer.Result, nil
}

func isAzure(host string) bool {
	for _, domain := range azureVaults {
		if strings.HasSuffix(host, domain) {
			return true
		}
	}
	return false
}

func (a *Azure) credential() (azcore.TokenCredential, error) {
	if a.AccessToken != "" {
		return givenToken(a.AccessToken), nil
	}
	authority := a.AuthorityHost
	if authority == "" {
		authority = cloud.AzurePublic.ActiveDirectoryAuthorityHost
	}
	host, err := url.Parse(authority)
	if err != nil || host.Scheme != "https" || host.Host == "" {
		return nil, errors.New("authorityHost is not an https URL")
	}
	options := policy.ClientOptions{
		Cloud:     cloud.Configuration{ActiveDirectoryAuthorityHost: authority},
		Transport: reaching(host.Host),
		Retry:     policy.RetryOptions{MaxRetries: 1},
	}
	if a.ClientSecret != "" {
		return azidentity.NewClientSecretCredential(a.TenantID, a.ClientID, a.ClientSecret,
			&azidentity.ClientSecretCredentialOptions{ClientOptions: options, DisableInstanceDiscovery: true})
	}
	certificates, private, err := azidentity.ParseCertificates(certificateBytes(a.ClientCertificate), []byte(a.ClientCertificatePassword))
	if err != nil {
		return nil, errors.New("clientCertificate cannot be read: PEM or PKCS #12 with a private key, and the password where there is one")
	}
	return azidentity.NewClientCertificateCredential(a.TenantID, a.ClientID, certificates, private,
		&azidentity.ClientCertificateCredentialOptions{
			ClientOptions: options, DisableInstanceDiscovery: true, SendCertificateChain: a.ClientCertificateSendChain,
		})
}

// certificateBytes: PKCS #12 is binary, so that a Secret's text has it as base64.
func certificateBytes(text string) []byte {
	if strings.Contains(text, "-----BEGIN ") {
		return []byte(text)
	}
	if binary, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), "")); err == nil {
		return binary
	}
	return []byte(text)
}

// givenToken is a token that somebody else got, for Key Vault alone. When it ends is for the service to say.
type givenToken string

func (t givenToken) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: string(t), ExpiresOn: time.Now().Add(time.Hour)}, nil
}

// reasonOfAzure takes the service's sentence out of the page that the SDK prints.
func reasonOfAzure(err error) error {
	login := new(azidentity.AuthenticationFailedError)
	if errors.As(err, &login) && login.RawResponse != nil {
		body, _ := runtime.Payload(login.RawResponse)
		return fmt.Errorf("login: %w", refusalOf(login.RawResponse.StatusCode, body))
	}
	vault := new(azcore.ResponseError)
	if errors.As(err, &vault) && vault.RawResponse != nil {
		body, _ := runtime.Payload(vault.RawResponse)
		return refusalOf(vault.StatusCode, body)
	}
	return reasonOf(err)
}
