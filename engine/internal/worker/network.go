package worker

import (
	"errors"
	"io"
	"net/http"
	"time"
)

// maxDownload bounds the body of one response, in bytes.
const maxDownload = 64 << 20

var errTooLarge = errors.New("response is larger than the limit of 64 MiB")

// refusing is the transport of a worker that has no business on the network.
type refusing struct{}

func (refusing) RoundTrip(request *http.Request) (*http.Response, error) {
	return nil, errors.New("this engine has no network: remote bases are disabled")
}

// bounded is the transport of a worker that downloads.
type bounded struct{ inner http.RoundTripper }

func (b bounded) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := b.inner.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	response.Body = &boundedBody{response.Body, maxDownload}
	return response, nil
}

type boundedBody struct {
	io.ReadCloser
	left int
}

func (b *boundedBody) Read(into []byte) (int, error) {
	read, err := b.ReadCloser.Read(into)
	if b.left -= read; b.left < 0 {
		return 0, errTooLarge
	}
	return read, err
}

// setTransport: the libraries inside use http.DefaultTransport, and only that.
func setTransport(network bool) {
	if !network {
		http.DefaultTransport = refusing{}
		return
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.ResponseHeaderTimeout = 30 * time.Second
	http.DefaultTransport = bounded{transport}
}
