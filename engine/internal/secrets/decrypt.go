package secrets

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"filippo.io/age"
	"filippo.io/age/armor"
	"github.com/getsops/sops/v3/aes"
	"github.com/getsops/sops/v3/keyservice"
	"google.golang.org/grpc"
)

// DecryptArgs are the arguments of the verb sops.decrypt. Formats: json, yaml, dotenv, ini, binary.
type DecryptArgs struct {
	Data         []byte `json:"data"` // base64
	InputFormat  string `json:"inputFormat"`
	OutputFormat string `json:"outputFormat"` // "": as the input
	Identities   string `json:"identities"`   // content of *.agekey files, one below the other
}

// DecryptResult has the plain document, without SOPS's metadata.
type DecryptResult struct {
	Data []byte `json:"data"`
}

// Decrypt is the verb sops.decrypt. The MAC is not verified, only each value's own seal: fields that are not encrypted may
// be edited without the key. Contract: source-kustomize.md 8.5, ⚠ 24.
func Decrypt(_ context.Context, args DecryptArgs) (DecryptResult, error) {
	if args.OutputFormat == "" {
		args.OutputFormat = args.InputFormat
	}
	input, err := storeOf(args.InputFormat)
	if err != nil {
		return DecryptResult{}, err
	}
	output, err := storeOf(args.OutputFormat)
	if err != nil {
		return DecryptResult{}, err
	}
	identities, err := parseIdentities(args.Identities)
	if err != nil {
		return DecryptResult{}, err
	}
	tree, err := input.LoadEncryptedFile(args.Data)
	if err != nil {
		return DecryptResult{}, fmt.Errorf("failed to load encrypted %s data: %w", args.InputFormat, err)
	}
	service := &ageService{identities: identities}
	key, err := tree.Metadata.GetDataKeyWithKeyServices([]keyservice.KeyServiceClient{service}, nil)
	if err != nil { // SOPS tells the reasons over many lines
		return DecryptResult{}, fmt.Errorf("cannot get sops data key: %w", errors.Join(service.refusals...))
	}
	if _, err := tree.Decrypt(key, aes.NewCipher()); err != nil {
		return DecryptResult{}, fmt.Errorf("error decrypting sops tree: %w", err)
	}
	plain, err := output.EmitPlainFile(tree.Branches)
	if err != nil {
		return DecryptResult{}, fmt.Errorf("failed to emit %s data as %s: %w", args.InputFormat, args.OutputFormat, err)
	}
	return DecryptResult{Data: plain}, nil
}

// ageService answers SOPS's requests for a data key with the given identities, and with nothing else: no other kind of key,
// no environment.
type ageService struct {
	identities []age.Identity
	refusals   []error
}

func (s *ageService) Decrypt(
	_ context.Context, request *keyservice.DecryptRequest, _ ...grpc.CallOption,
) (*keyservice.DecryptResponse, error) {
	plain, err := s.open(request)
	if err != nil {
		s.refusals = append(s.refusals, err)
		return nil, err
	}
	return &keyservice.DecryptResponse{Plaintext: plain}, nil
}

func (s *ageService) open(request *keyservice.DecryptRequest) ([]byte, error) {
	key, ok := request.Key.KeyType.(*keyservice.Key_AgeKey)
	switch {
	case !ok:
		return nil, fmt.Errorf("keys of the type %s are not supported yet, age keys are", typeOf(request.Key))
	case len(s.identities) == 0:
		return nil, errors.New("no age identity is configured")
	}
	reader, err := age.Decrypt(armor.NewReader(bytes.NewReader(request.Ciphertext)), s.identities...)
	if noMatch := new(age.NoIdentityMatchError); errors.As(err, &noMatch) {
		return nil, fmt.Errorf("no identity matches the recipient %s", key.AgeKey.Recipient)
	}
	if err != nil {
		return nil, fmt.Errorf("recipient %s: %w", key.AgeKey.Recipient, err)
	}
	return io.ReadAll(io.LimitReader(reader, 1<<16))
}

func (s *ageService) Encrypt(
	context.Context, *keyservice.EncryptRequest, ...grpc.CallOption,
) (*keyservice.EncryptResponse, error) {
	return nil, errors.New("this service decrypts only")
}

func typeOf(key *keyservice.Key) string {
	switch key.KeyType.(type) {
	case *keyservice.Key_PgpKey:
		return "PGP"
	case *keyservice.Key_KmsKey:
		return "AWS KMS"
	case *keyservice.Key_GcpKmsKey:
		return "GCP KMS"
	case *keyservice.Key_AzureKeyvaultKey:
		return "Azure Key Vault"
	case *keyservice.Key_VaultKey:
		return "HashiCorp Vault"
	}
	return "unknown"
}
