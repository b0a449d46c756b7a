package registry

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"sync"
)

const maxManifestBytes = 4 << 20 // what the distribution specification lets a registry refuse

var manifestPath = regexp.MustCompile(`^/v2/.+/manifests/[^/]+$`)

// entry is one accepted change of a manifest or tag.
type entry struct {
	Method      string `json:"method"`
	Path        string `json:"path"`
	ContentType string `json:"contentType,omitempty"`
	Body        []byte `json:"body,omitempty"`
}

// journal makes a registry that keeps manifests in memory survive its end: each accepted change is appended to a
// file, and a new process repeats them. Blobs are not its business.
type journal struct {
	mu   sync.Mutex
	file *os.File
	next http.Handler
}

// openJournal repeats the changes in `path` against `next`, and returns the handler that records further ones.
func openJournal(path string, next http.Handler) (*journal, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("manifests: %w", err)
	}
	j := &journal{file: file, next: next}
	if err := j.replay(); err != nil {
		file.Close()
		return nil, err
	}
	return j, nil
}

// replay stops at a line that a kill cut short, and lets the next entry overwrite it.
func (j *journal) replay() error {
	lines := json.NewDecoder(j.file)
	for {
		var e entry
		good := lines.InputOffset()
		err := lines.Decode(&e)
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			if err := j.file.Truncate(good); err != nil {
				return fmt.Errorf("manifests: %w", err)
			}
			_, err = j.file.Seek(0, io.SeekEnd)
			return err
		}
		if err != nil {
			return fmt.Errorf("manifests: %s is damaged at byte %d: %w", j.file.Name(), good, err)
		}
		request := httptest.NewRequest(e.Method, e.Path, bytes.NewReader(e.Body))
		request.Header.Set("Content-Type", e.ContentType)
		j.next.ServeHTTP(httptest.NewRecorder(), request)
	}
}

func (j *journal) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	changes := r.Method == http.MethodPut || r.Method == http.MethodDelete
	if !changes || !manifestPath.MatchString(r.URL.Path) {
		j.next.ServeHTTP(w, r)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxManifestBytes))
	if err != nil {
		http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	change := entry{Method: r.Method, Path: r.URL.Path, ContentType: r.Header.Get("Content-Type"), Body: body}
	if err := j.serveAndRecord(w, r, change); err != nil {
		panic(err) // net/http logs it and cuts the connection: a change that would be forgotten is not confirmed
	}
}

// serveAndRecord holds the lock over both, so that the file has the order in which the changes happened.
func (j *journal) serveAndRecord(w http.ResponseWriter, r *http.Request, change entry) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	answer := httptest.NewRecorder()
	j.next.ServeHTTP(answer, r)
	if answer.Code < http.StatusMultipleChoices {
		line, err := json.Marshal(change)
		if err != nil {
			return err
		}
		if _, err := j.file.Write(append(line, '\n')); err != nil {
			return fmt.Errorf("manifests: %w", err)
		}
	}
	for name, values := range answer.Header() {
		w.Header()[name] = values
	}
	w.WriteHeader(answer.Code)
	_, err := answer.Body.WriteTo(w)
	return err
}
