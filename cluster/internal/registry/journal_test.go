package registry

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
)

const manifest = `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{},"layers":[]}`

func open(t *testing.T, folder string) http.Handler {
	t.Helper()
	handler, err := newHandler(settings{stateDir: folder})
	if err != nil {
		t.Fatal(err)
	}
	return handler
}

func send(handler http.Handler, method, path, body string) *http.Response {
	request := httptest.NewRequest(method, path, bytes.NewBufferString(body))
	request.Header.Set("Content-Type", "application/vnd.oci.image.manifest.v1+json")
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, request)
	return recorder.Result()
}

func TestTagsSurviveARestart(t *testing.T) {
	folder := t.TempDir()
	first := open(t, folder)
	for _, tag := range []string{"v1", "v2", "gone"} {
		if got := send(first, http.MethodPut, "/v2/team/app/manifests/"+tag, manifest).StatusCode; got != http.StatusCreated {
			t.Fatalf("PUT %s: %d", tag, got)
		}
	}
	send(first, http.MethodDelete, "/v2/team/app/manifests/gone", "")

	second := open(t, folder)
	tags, _ := io.ReadAll(send(second, http.MethodGet, "/v2/team/app/tags/list", "").Body)
	if want := `{"name":"team/app","tags":["v1","v2"]}`; string(tags) != want {
		t.Errorf("tags after a restart: %s, want %s", tags, want)
	}
	answer := send(second, http.MethodGet, "/v2/team/app/manifests/v1", "")
	if body, _ := io.ReadAll(answer.Body); string(body) != manifest {
		t.Errorf("manifest after a restart: %s", body)
	}
}

func TestAnEntryThatAKillCutShortIsDropped(t *testing.T) {
	folder := t.TempDir()
	send(open(t, folder), http.MethodPut, "/v2/app/manifests/v1", manifest)
	path := filepath.Join(folder, "manifests.jsonl")
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, append(whole, whole[:len(whole)/2]...), 0o600); err != nil {
		t.Fatal(err)
	}

	send(open(t, folder), http.MethodPut, "/v2/app/manifests/v2", manifest)
	tags, _ := io.ReadAll(send(open(t, folder), http.MethodGet, "/v2/app/tags/list", "").Body)
	if want := `{"name":"app","tags":["v1","v2"]}`; string(tags) != want {
		t.Errorf("tags: %s, want %s", tags, want)
	}
}

func TestRefusedChangesAreNotRecorded(t *testing.T) {
	folder := t.TempDir()
	handler := open(t, folder)
	if got := send(handler, http.MethodDelete, "/v2/app/manifests/v1", "").StatusCode; got != http.StatusNotFound {
		t.Fatalf("DELETE: %d", got)
	}
	if content, _ := os.ReadFile(filepath.Join(folder, "manifests.jsonl")); len(content) != 0 {
		t.Errorf("recorded: %s", content)
	}
}

func TestOnlyKnownAccountsPass(t *testing.T) {
	path := filepath.Join(t.TempDir(), "accounts")
	if err := os.WriteFile(path, []byte("# people\nada:geheim:1\n\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	known, err := readAccounts(path)
	if err != nil {
		t.Fatal(err)
	}
	guarded := known.protect(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	for _, c := range []struct {
		user, password string
		want           int
	}{
		{"ada", "geheim:1", http.StatusOK},
		{"ada", "geheim", http.StatusUnauthorized},
		{"eve", "", http.StatusUnauthorized},
		{"", "", http.StatusUnauthorized},
	} {
		request := httptest.NewRequest(http.MethodGet, "/v2/", nil)
		request.SetBasicAuth(c.user, c.password)
		recorder := httptest.NewRecorder()
		guarded.ServeHTTP(recorder, request)
		if recorder.Code != c.want {
			t.Errorf("%s with %q: %d, want %d", c.user, c.password, recorder.Code, c.want)
		}
	}
}
