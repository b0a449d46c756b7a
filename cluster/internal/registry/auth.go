package registry

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"net/http"
	"os"
	"strings"
)

// accounts maps a user's name to the digest of the password; equal lengths let passwords be compared in constant time.
type accounts map[string][sha256.Size]byte

// readAccounts reads one `user:password` a line; empty lines and lines that begin with # do not count.
func readAccounts(path string) (accounts, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("auth file: %w", err)
	}
	found := accounts{}
	lines := bufio.NewScanner(bytes.NewReader(content))
	for number := 1; lines.Scan(); number++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		user, password, ok := strings.Cut(line, ":")
		if !ok || user == "" {
			return nil, fmt.Errorf("auth file %s: line %d is not user:password", path, number)
		}
		found[user] = sha256.Sum256([]byte(password))
	}
	return found, lines.Err()
}

// protect lets only known accounts through to `next`.
func (a accounts) protect(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		given := sha256.Sum256([]byte(password))
		wanted, known := a[user]
		if subtle.ConstantTimeCompare(given[:], wanted[:]) == 1 && known {
			next.ServeHTTP(w, r)
			return
		}
		w.Header().Set("WWW-Authenticate", `Basic realm="registry"`)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprint(w, `{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}`)
	})
}
