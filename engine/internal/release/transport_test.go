package release

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestAnActionOutlivesItsFirstToken(t *testing.T) {
	var seen []string
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, request *http.Request) {
		seen = append(seen, request.Header.Get("Authorization"))
	}))
	defer server.Close()
	now := time.Now()
	fetch := func() (string, error) { return "second", nil }
	client := http.Client{Transport: &carrying{
		inner: http.DefaultTransport, fetch: fetch, now: func() time.Time { return now }, token: "first", since: now,
	}}
	for range 2 {
		response, err := client.Get(server.URL)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		now = now.Add(tokenAge)
	}
	if got := strings.Join(seen, " "); got != "Bearer first Bearer second" {
		t.Fatalf("sent %q", got)
	}
}

func TestAServerThatSomebodyElseNamed(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("followed a redirection")
	}))
	defer elsewhere.Close()
	server := httptest.NewServer(http.HandlerFunc(func(writer http.ResponseWriter, request *http.Request) {
		if request.URL.Path == "/away" {
			http.Redirect(writer, request, elsewhere.URL, http.StatusFound)
			return
		}
		_, _ = writer.Write(make([]byte, 1<<20))
	}))
	defer server.Close()
	client := http.Client{Transport: suspicious{http.DefaultTransport, 1 << 10}}
	if _, err := client.Get(server.URL + "/away"); err == nil || !strings.Contains(err.Error(), "a redirection") {
		t.Fatalf("got %v", err)
	}
	response, err := client.Get(server.URL + "/large")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if _, err := io.ReadAll(response.Body); err == nil {
		t.Fatal("read an answer without a bound")
	}
}
