// Package secrets decrypts and encrypts SOPS documents. It reads keys and credentials from its arguments alone: never from the
// environment, a home folder, an agent or a metadata service. The network is used for a key service's own key, and then for
// that service's host alone.
package secrets

// Keys are what a document may be decrypted with; any may be absent.
type Keys struct {
	Age   string    `json:"age"` // content of *.agekey files, one below the other
	PGP   [][]byte  `json:"pgp"` // content of *.asc files: private key rings, armored or not
	AWS   *AWSKeys  `json:"aws"`
	Azure *Azure    `json:"azure"`
	GCP   *GCP      `json:"gcp"`
	Vault VaultKeys `json:"vault"`
}

// AWSKeys are static credentials or those of a session.
type AWSKeys struct {
	AccessKeyID     string `json:"accessKeyId"`
	SecretAccessKey string `json:"secretAccessKey"`
	SessionToken    string `json:"sessionToken"`
}

// Azure has the credentials of a client, or a token that somebody else got.
type Azure struct {
	TenantID                   string `json:"tenantId"`
	ClientID                   string `json:"clientId"`
	ClientSecret               string `json:"clientSecret"`
	ClientCertificate          string `json:"clientCertificate"` // PEM, or PKCS #12 as base64; with its private key
	ClientCertificatePassword  string `json:"clientCertificatePassword"`
	ClientCertificateSendChain bool   `json:"clientCertificateSendChain"`
	AuthorityHost              string `json:"authorityHost"` // "": that of the public cloud
	AccessToken                string `json:"accessToken"`
}

// GCP has a key file's JSON, or a token that somebody else got.
type GCP struct {
	Credentials string `json:"credentials"`
	AccessToken string `json:"accessToken"`
}

// VaultKeys has a token for whatever address a document names, and tokens for one address each.
type VaultKeys struct {
	Token  string            `json:"token"`
	Logins map[string]string `json:"logins"` // address -> token
}

// Lack is a key service whose key a document uses and whose credentials are absent.
type Lack struct {
	Service string `json:"service"` // aws, azure, gcp, vault
	Address string `json:"address"` // of Vault, and the URL of an Azure vault
	Region  string `json:"region"`  // of AWS
}

// secrets lists what may appear in no message.
func (k Keys) secrets() []string {
	texts := []string{k.Vault.Token}
	for _, token := range k.Vault.Logins {
		texts = append(texts, token)
	}
	if k.AWS != nil {
		texts = append(texts, k.AWS.SecretAccessKey, k.AWS.SessionToken)
	}
	if k.Azure != nil {
		texts = append(texts, k.Azure.ClientSecret, k.Azure.ClientCertificatePassword, k.Azure.AccessToken)
	}
	if k.GCP != nil {
		texts = append(texts, k.GCP.AccessToken)
	}
	return texts
}
