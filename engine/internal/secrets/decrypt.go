package secrets

import (
	"context"
	"fmt"

	"github.com/getsops/sops/v3"
	"github.com/getsops/sops/v3/aes"
	"github.com/getsops/sops/v3/keyservice"
)

// maxMasterKeys bounds the keys that one document can make us try.
const maxMasterKeys = 100

// DecryptArgs are the arguments of the verb sops.decrypt. Formats: json, yaml, dotenv, ini, binary.
type DecryptArgs struct {
	Data         []byte `json:"data"` // base64
	InputFormat  string `json:"inputFormat"`
	OutputFormat string `json:"outputFormat"` // "": as the input
	Keys         Keys   `json:"keys"`
}

// DecryptResult has the plain document, without SOPS's metadata; or what is lacking to get it, with the reason it was not
// decrypted as it is: the caller may fetch that and call again.
type DecryptResult struct {
	Data    []byte `json:"data,omitempty"`
	Lacking []Lack `json:"lacking,omitempty"`
	Reason  string `json:"reason,omitempty"`
}

// Decrypt is the verb sops.decrypt. The MAC is not verified, only each value's own seal: fields that are not encrypted may
// be edited without the key. Contract: source-kustomize.md 8.5, ⚠ 24.
func Decrypt(ctx context.Context, args DecryptArgs) (DecryptResult, error) {
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
	opener, err := newOpener(ctx, args.Keys)
	if err != nil {
		return DecryptResult{}, err
	}
	tree, err := input.LoadEncryptedFile(args.Data)
	if err != nil {
		return DecryptResult{}, fmt.Errorf("failed to load encrypted %s data: %w", args.InputFormat, err)
	}
	if count := tree.Metadata.MasterKeyCount(); count > maxMasterKeys {
		return DecryptResult{}, fmt.Errorf("document has %d keys, the limit is %d", count, maxMasterKeys)
	}
	key, err := tree.Metadata.GetDataKeyWithKeyServices([]keyservice.KeyServiceClient{opener}, sops.DefaultDecryptionOrder)
	if err != nil { // SOPS tells the reasons over many lines
		if ctx.Err() != nil {
			return DecryptResult{}, ctx.Err()
		}
		if reason := opener.reason(err); len(opener.lacking) > 0 {
			return DecryptResult{Lacking: opener.lacking, Reason: reason.Error()}, nil
		} else {
			return DecryptResult{}, reason
		}
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
