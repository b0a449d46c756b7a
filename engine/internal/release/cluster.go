// Package release performs Helm's own actions: on releases in a cluster, with the identity that each call names, and on charts.
// It decides nothing: which action is due, and when, is the caller's matter. Waiting is the caller's too (waiter.go).
package release

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// Cluster is an API server and who we are there. Certificates are PEM text.
type Cluster struct {
	Server        string   `json:"server"`
	CA            string   `json:"ca"`
	Token         string   `json:"token"`
	Username      string   `json:"username"`
	Password      string   `json:"password"`
	ClientCert    string   `json:"clientCert"`
	ClientKey     string   `json:"clientKey"`
	Insecure      bool     `json:"insecure"`
	TLSServerName string   `json:"tlsServerName"`
	Proxy         string   `json:"proxy"`
	User          string   `json:"user"` // to act as; "": as ourselves
	Groups        []string `json:"groups"`
	Seconds       float64  `json:"seconds"`       // at most, for a request; 0 for any time
	LargestAnswer int64    `json:"largestAnswer"` // bytes, from a server that somebody else named; 0 for any
}

func (c Cluster) config(ctx context.Context) (*rest.Config, error) {
	if c.Server == "" {
		return nil, errors.New("no API server is given")
	}
	if c.User == "" && len(c.Groups) > 0 {
		return nil, errors.New("groups without a user to act as")
	}
	config := &rest.Config{
		Host:        c.Server,
		Username:    c.Username,
		Password:    c.Password,
		Timeout:     time.Duration(c.Seconds * float64(time.Second)),
		QPS:         -1, // the server's priority and fairness bounds us
		UserAgent:   "helm-controller",
		Impersonate: rest.ImpersonationConfig{UserName: c.User, Groups: c.Groups},
		TLSClientConfig: rest.TLSClientConfig{
			Insecure:   c.Insecure,
			ServerName: c.TLSServerName,
			CAData:     []byte(c.CA),
			CertData:   []byte(c.ClientCert),
			KeyData:    []byte(c.ClientKey),
		},
	}
	if c.Proxy != "" {
		proxy, err := url.Parse(c.Proxy)
		if err != nil {
			return nil, errors.New("the proxy's address cannot be read")
		}
		config.Proxy = http.ProxyURL(proxy)
	}
	if c.LargestAnswer > 0 {
		config.Wrap(func(inner http.RoundTripper) http.RoundTripper { return suspicious{inner, c.LargestAnswer} })
	}
	if c.Token != "" {
		config.Wrap(func(inner http.RoundTripper) http.RoundTripper {
			return &carrying{inner: inner, fetch: askedToken(ctx, c.Token), now: time.Now, token: c.Token, since: time.Now()}
		})
	}
	return config, nil
}

// client is what Helm and kubectl's factory ask for an API server. Discovery is kept for the time of one call: charts ask
// what the server serves, and must not hear of yesterday.
type client struct {
	config    *rest.Config
	namespace string
	discovery discovery.CachedDiscoveryInterface
	mapper    meta.RESTMapper
}

func newClient(ctx context.Context, cluster Cluster, namespace string) (*client, error) {
	config, err := cluster.config(ctx)
	if err != nil {
		return nil, err
	}
	found, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("API server: %w", err)
	}
	known := memory.NewMemCacheClient(found)
	mapper := restmapper.NewShortcutExpander(restmapper.NewDeferredDiscoveryRESTMapper(known), known, nil)
	return &client{config, namespace, known, mapper}, nil
}

func (c *client) ToRESTConfig() (*rest.Config, error) { return rest.CopyConfig(c.config), nil }

func (c *client) ToDiscoveryClient() (discovery.CachedDiscoveryInterface, error) {
	return c.discovery, nil
}

// ToRESTMapper gives the same one each time: it is made of all that the server serves.
func (c *client) ToRESTMapper() (meta.RESTMapper, error) { return c.mapper, nil }

// ToRawKubeConfigLoader tells nothing but the namespace: there is no kubeconfig.
func (c *client) ToRawKubeConfigLoader() clientcmd.ClientConfig {
	overrides := &clientcmd.ConfigOverrides{Context: clientcmdapi.Context{Namespace: c.namespace}}
	return clientcmd.NewDefaultClientConfig(*clientcmdapi.NewConfig(), overrides)
}
