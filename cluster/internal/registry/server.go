// Package registry serves an OCI registry that keeps its content on disk: go-containerregistry's, whose manifests are
// in memory only, with a journal. It is for laptops and tests, and deletes no blob.
package registry

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	ociregistry "github.com/google/go-containerregistry/pkg/registry"

	"fleetloop.dev/cluster/internal/process"
)

const (
	headerPatience   = 10 * time.Second
	shutdownPatience = 5 * time.Second
)

type settings struct {
	stateDir, address, authFile, certFile, keyFile string
	port                                           int
	exitWithParent                                 bool
}

func parseFlags(args []string) (settings, error) {
	var s settings
	set := flag.NewFlagSet("registry", flag.ContinueOnError)
	set.StringVar(&s.stateDir, "state-dir", "", "folder of blobs and manifests (required)")
	set.StringVar(&s.address, "bind-address", "127.0.0.1", "loopback address to serve on")
	set.IntVar(&s.port, "port", 5000, "port to serve on; 0 takes a free one")
	set.StringVar(&s.authFile, "auth-file", "", "file with one user:password a line; without it everyone may push")
	set.StringVar(&s.certFile, "tls-cert-file", "", "certificate; without it the registry speaks plain HTTP")
	set.StringVar(&s.keyFile, "tls-private-key-file", "", "key of the certificate")
	set.BoolVar(&s.exitWithParent, "exit-with-parent", false, "exit when stdin reaches its end")
	if err := set.Parse(args); err != nil {
		return s, err
	}
	if s.stateDir == "" {
		return s, errors.New("--state-dir is required")
	}
	if (s.certFile == "") != (s.keyFile == "") {
		return s, errors.New("--tls-cert-file and --tls-private-key-file belong together")
	}
	return s, nil
}

// Run serves until SIGTERM or SIGINT. One JSON line on stdout, {"address": "HOST:PORT"}, tells that it listens.
func Run(args []string) error {
	s, err := parseFlags(args)
	if err != nil {
		return err
	}
	if s.exitWithParent {
		process.DieWithParent()
	}
	if err := process.ClaimFolder(s.stateDir); err != nil {
		return err
	}
	if err := process.RequireFreePort(s.address, s.port); err != nil {
		return err
	}
	handler, err := newHandler(s)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", net.JoinHostPort(s.address, strconv.Itoa(s.port)))
	if err != nil {
		return err
	}
	ready := map[string]string{"address": listener.Addr().String()}
	if err := json.NewEncoder(os.Stdout).Encode(ready); err != nil {
		return err
	}
	return serve(listener, handler, s)
}

func newHandler(s settings) (http.Handler, error) {
	blobs := filepath.Join(s.stateDir, "blobs")
	if err := os.MkdirAll(blobs, 0o700); err != nil {
		return nil, fmt.Errorf("state folder: %w", err)
	}
	registry := ociregistry.New(
		ociregistry.WithBlobHandler(ociregistry.NewDiskBlobHandler(blobs)),
		ociregistry.WithReferrersSupport(true),
		ociregistry.Logger(log.New(io.Discard, "", 0)),
	)
	journal, err := openJournal(filepath.Join(s.stateDir, "manifests.jsonl"), registry)
	if err != nil || s.authFile == "" {
		return journal, err
	}
	accounts, err := readAccounts(s.authFile)
	if err != nil {
		return nil, err
	}
	return accounts.protect(journal), nil
}

func serve(listener net.Listener, handler http.Handler, s settings) error {
	server := &http.Server{Handler: handler, ReadHeaderTimeout: headerPatience}
	stop, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer cancel()
	served := make(chan error, 1)
	go func() {
		if s.certFile == "" {
			served <- server.Serve(listener)
		} else {
			served <- server.ServeTLS(listener, s.certFile, s.keyFile)
		}
	}()
	select {
	case err := <-served:
		return err
	case <-stop.Done():
		patience, cancel := context.WithTimeout(context.Background(), shutdownPatience)
		defer cancel()
		return server.Shutdown(patience)
	}
}
