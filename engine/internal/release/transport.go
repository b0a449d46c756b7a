package release

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"fleetloop.dev/engine/internal/rpc"
)

// tokenAge is how old a token may be before the parent is asked for it again: an action can outlive the one it began with.
const tokenAge = 30 * time.Second

// carrying is a transport whose requests carry the token that counts now. One request at a time looks after it.
type carrying struct {
	inner http.RoundTripper
	fetch func() (string, error)
	now   func() time.Time

	mu    sync.Mutex
	token string
	since time.Time
}

func (c *carrying) RoundTrip(request *http.Request) (*http.Response, error) {
	token, err := c.current()
	if err != nil {
		return nil, err
	}
	request = request.Clone(request.Context())
	request.Header.Set("Authorization", "Bearer "+token)
	return c.inner.RoundTrip(request)
}

func (c *carrying) current() (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.now().Sub(c.since) < tokenAge {
		return c.token, nil
	}
	token, err := c.fetch()
	if err != nil {
		return "", fmt.Errorf("no token: %w", err)
	}
	c.token, c.since = token, c.now()
	return token, nil
}

// askedToken asks the parent of the call; one that answers no questions gave a token that is good for the whole call.
func askedToken(ctx context.Context, given string) func() (string, error) {
	return func() (string, error) {
		answer, err := rpc.Ask[struct {
			Token string `json:"token"`
		}](ctx, "token", struct{}{})
		if err != nil || answer.Token == "" {
			return given, nil
		}
		return answer.Token, nil
	}
}

// suspicious is a transport to a server that somebody else named: its answers are bounded, and it sends us nowhere else.
type suspicious struct {
	inner   http.RoundTripper
	largest int64 // bytes of one answer
}

func (s suspicious) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := s.inner.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	if response.StatusCode >= 300 && response.StatusCode < 400 && response.StatusCode != http.StatusNotModified {
		response.Body.Close()
		return nil, fmt.Errorf("the server answered with status %d, a redirection", response.StatusCode)
	}
	response.Body = &boundedBody{response.Body, s.largest}
	return response, nil
}

type boundedBody struct {
	io.ReadCloser
	left int64
}

func (b *boundedBody) Read(into []byte) (int, error) {
	read, err := b.ReadCloser.Read(into)
	if b.left -= int64(read); b.left < 0 {
		return 0, errors.New("the server's answer is too large")
	}
	return read, err
}
