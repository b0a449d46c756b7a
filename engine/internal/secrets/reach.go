package secrets

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"syscall"
	"time"
)

const (
	answerWithin = 15 * time.Second // a key service's word on one key
	maxAnswer    = 1 << 20          // bytes
)

var transport = newTransport()

func newTransport() *http.Transport {
	dialer := &net.Dialer{Timeout: 5 * time.Second, Control: refuseMetadata}
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           dialer.DialContext,
		ForceAttemptHTTP2:     true,
		TLSHandshakeTimeout:   5 * time.Second,
		ResponseHeaderTimeout: answerWithin,
		MaxIdleConns:          16,
		IdleConnTimeout:       30 * time.Second,
	}
}

// refuseMetadata keeps documents from sending us to the addresses where clouds hand out credentials.
func refuseMetadata(_, address string, _ syscall.RawConn) error {
	parsed, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	ip := parsed.Addr().Unmap()
	if ip.IsLinkLocalUnicast() || ip == netip.MustParseAddr("fd00:ec2::254") || ip == netip.MustParseAddr("100.100.100.200") {
		return errors.New("link-local and metadata addresses are not key services")
	}
	return nil
}

// reaching is a client that talks to these hosts (as in URLs, with the port if there is one) and to nobody else. It follows no
// redirect: whoever answers does not decide where credentials go.
func reaching(hosts ...string) *http.Client {
	return &http.Client{
		Transport:     only{hosts},
		Timeout:       answerWithin,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

type only struct{ hosts []string }

func (o only) RoundTrip(request *http.Request) (*http.Response, error) {
	if !slices.Contains(o.hosts, request.URL.Host) {
		return nil, fmt.Errorf("host '%s' is not the key service's", request.URL.Host)
	}
	response, err := transport.RoundTrip(request)
	if err == nil {
		response.Body = bounded{io.LimitReader(response.Body, maxAnswer), response.Body}
	}
	return response, err
}

type bounded struct {
	io.Reader
	io.Closer
}

// reasonOf shortens what the HTTP client says: its URL may be long, and the key is named already.
func reasonOf(err error) error {
	if failed := new(url.Error); errors.As(err, &failed) {
		if failed.Timeout() && !errors.Is(err, context.Canceled) {
			return fmt.Errorf("no answer within %s", answerWithin)
		}
		return failed.Err
	}
	return err
}
