package secrets

import (
	"context"
	"fmt"

	"filippo.io/age"
)

// KeygenArgs are the arguments of the verb age.keygen.
type KeygenArgs struct {
	Type string `json:"type"` // "": X25519; "hybrid": post-quantum
}

// KeygenResult is a new pair of keys.
type KeygenResult struct {
	Identity  string `json:"identity"` // secret
	Recipient string `json:"recipient"`
}

// Keygen is the verb age.keygen.
func Keygen(_ context.Context, args KeygenArgs) (KeygenResult, error) {
	switch args.Type {
	case "":
		identity, err := age.GenerateX25519Identity()
		if err != nil {
			return KeygenResult{}, err
		}
		return KeygenResult{identity.String(), identity.Recipient().String()}, nil
	case "hybrid":
		identity, err := age.GenerateHybridIdentity()
		if err != nil {
			return KeygenResult{}, err
		}
		return KeygenResult{identity.String(), identity.Recipient().String()}, nil
	}
	return KeygenResult{}, fmt.Errorf("key type '%s' is unknown", args.Type)
}
