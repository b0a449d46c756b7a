package secrets

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
)

var background = context.Background()

type pair struct{ identity, recipient string }

func pairs(t *testing.T) map[string]pair {
	t.Helper()
	found := map[string]pair{}
	for _, kind := range []string{"", "hybrid"} {
		made, err := Keygen(background, KeygenArgs{kind})
		if err != nil {
			t.Fatal(err)
		}
		found["age "+kind] = pair{made.Identity, made.Recipient}
	}
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	sshPublic, err := ssh.NewPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	found["ssh"] = pair{string(pem.EncodeToMemory(block)), string(ssh.MarshalAuthorizedKey(sshPublic))}
	return found
}

func TestRoundTrip(t *testing.T) {
	documents := map[string]string{
		"json":   "{\n\t\"kind\": \"Secret\",\n\t\"n\": 5\n}\n",
		"yaml":   "kind: Secret\ndata:\n    a: b\n    list:\n        - 1\n        - true\n",
		"dotenv": "A=1\nB=two\n",
		"ini":    "[s]\na = 1\n",
		"binary": "\x00\x01 any bytes",
	}
	for kind, keys := range pairs(t) {
		for format, document := range documents {
			sealed, err := Encrypt(background, EncryptArgs{[]byte(document), format, []string{strings.TrimSpace(keys.recipient)}, ""})
			if err != nil {
				t.Fatalf("%s %s: %v", kind, format, err)
			}
			if strings.Contains(string(sealed.Data), "Secret") || strings.Contains(string(sealed.Data), "any bytes") {
				t.Errorf("%s %s: in the clear: %s", kind, format, sealed.Data)
			}
			plain, err := Decrypt(background, DecryptArgs{Data: sealed.Data, InputFormat: format, Keys: Keys{Age: "# key\n\n" + keys.identity + "\n"}})
			if err != nil || strings.TrimSpace(string(plain.Data)) != strings.TrimSpace(document) {
				t.Errorf("%s %s: %v\n%s", kind, format, err, plain.Data)
			}
		}
	}
}

// SK24: the MAC is not verified, each value's own seal is.
func TestEdits(t *testing.T) {
	keys := pairs(t)["age "]
	args := EncryptArgs{[]byte("kind: Secret\ndata: {a: b}\n"), "yaml", []string{keys.recipient}, "^data$"}
	sealed, err := Encrypt(background, args)
	if err != nil {
		t.Fatal(err)
	}
	edited := strings.Replace(string(sealed.Data), "kind: Secret", "kind: Other", 1)
	plain, err := Decrypt(background, DecryptArgs{Data: []byte(edited), InputFormat: "yaml", Keys: Keys{Age: keys.identity}})
	if err != nil || !strings.Contains(string(plain.Data), "kind: Other") || strings.Contains(string(plain.Data), "sops") {
		t.Errorf("%v\n%s", err, plain.Data)
	}
	moved := strings.Replace(string(sealed.Data), "    a: ENC", "    z: ENC", 1)
	if plain, err := Decrypt(background, DecryptArgs{Data: []byte(moved), InputFormat: "yaml", Keys: Keys{Age: keys.identity}}); err == nil {
		t.Errorf("a value moved to another key passed: %s", plain.Data)
	}
}

func TestErrors(t *testing.T) {
	keys, other := pairs(t)["age "], pairs(t)["age "]
	sealed, err := Encrypt(background, EncryptArgs{[]byte("a: b\n"), "yaml", []string{keys.recipient}, ""})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		args DecryptArgs
		want string
	}{
		"wrong key":      {DecryptArgs{sealed.Data, "yaml", "", Keys{Age: other.identity}}, "no identity matches the recipient " + keys.recipient},
		"no key":         {DecryptArgs{sealed.Data, "yaml", "", Keys{}}, "no age identity is configured"},
		"broken key":     {DecryptArgs{sealed.Data, "yaml", "", Keys{Age: "\nAGE-SECRET-KEY-1HUNTER2"}}, "age identity at line 2: "},
		"broken SSH key": {DecryptArgs{sealed.Data, "yaml", "", Keys{Age: "-----BEGIN OPENSSH PRIVATE KEY-----\nHUNTER2\n"}}, "age identity at line 1: malformed PEM"},
		"plain":          {DecryptArgs{[]byte("a: b\n"), "yaml", "", Keys{Age: keys.identity}}, "failed to load encrypted yaml data"},
		"format":         {DecryptArgs{sealed.Data, "toml", "", Keys{Age: keys.identity}}, "format 'toml'"},
		"broken ring":    {DecryptArgs{sealed.Data, "yaml", "", Keys{PGP: [][]byte{[]byte("HUNTER2")}}}, "PGP key ring (*.asc): cannot be read"},
	} {
		_, err := Decrypt(background, c.args)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "HUNTER2") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzDecrypt(f *testing.F) {
	made, err := Keygen(background, KeygenArgs{})
	if err != nil {
		f.Fatal(err)
	}
	for _, format := range []string{"json", "yaml", "dotenv", "ini", "binary"} {
		if sealed, err := Encrypt(background, EncryptArgs{[]byte("{}"), format, []string{made.Recipient}, ""}); err == nil {
			f.Add(sealed.Data, format)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte, format string) {
		defer func() { // SOPS panics on some malformed trees; the server makes errors of that
			_ = recover()
		}()
		_, _ = Decrypt(background, DecryptArgs{data, format, "", Keys{Age: made.Identity}})
	})
}
