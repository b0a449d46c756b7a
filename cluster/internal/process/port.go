package process

import (
	"fmt"
	"net"
	"strconv"
)

// RequireFreePort tells of a taken port by name, before seconds go into starting what would need it.
func RequireFreePort(address string, port int) error {
	listener, err := net.Listen("tcp", net.JoinHostPort(address, strconv.Itoa(port)))
	if err != nil {
		return fmt.Errorf("port is not free: %w", err)
	}
	return listener.Close()
}
