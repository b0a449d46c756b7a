package controlplane

import (
	"errors"
	"fmt"
	"net/url"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
)

const (
	// Sockets in the state folder, not ports: etcd has no authentication of its own, the folder's mode is its lock.
	// The names are relative to the working directory, since a socket's path may have 107 bytes at most, and look like
	// HOST:PORT, since etcd insists.
	clientSocket = "unix://etcd-client:1"
	peerSocket   = "unix://etcd-peer:1"
	etcdPatience = 30 * time.Second
)

// startEtcd opens the store in `folder`; the working directory must be the state folder. With unsafeNoFsync a power
// cut may lose everything, a killed process still loses nothing.
func startEtcd(folder string, unsafeNoFsync bool) (*embed.Etcd, error) {
	config := embed.NewConfig()
	config.Dir = folder
	config.UnsafeNoFsync = unsafeNoFsync
	config.LogLevel = "error"
	config.EnableGRPCGateway = false
	config.ListenClientUrls, config.AdvertiseClientUrls = urls(clientSocket), urls(clientSocket)
	config.ListenPeerUrls, config.AdvertisePeerUrls = urls(peerSocket), urls(peerSocket)
	config.InitialCluster = config.InitialClusterFromName(config.Name)

	etcd, err := embed.StartEtcd(config)
	if err != nil {
		return nil, fmt.Errorf("etcd: %w", err)
	}
	select {
	case <-etcd.Server.ReadyNotify():
		return etcd, nil
	case err := <-etcd.Err():
		return nil, fmt.Errorf("etcd: %w", err)
	case <-etcd.Server.StopNotify():
		return nil, errors.New("etcd: stopped while it started")
	case <-time.After(etcdPatience):
		etcd.Close()
		return nil, fmt.Errorf("etcd: not ready after %s", etcdPatience)
	}
}

func urls(text string) []url.URL {
	parsed, err := url.Parse(text)
	if err != nil {
		panic(err) // the texts are constants of this file
	}
	return []url.URL{*parsed}
}
