package process

import (
	"fmt"
	"net"
	"strconv"
	"time"
)

const portPatience = 3 * time.Second // a killed predecessor's socket may outlive its lock by a moment

// RequireFreePort tells of a taken port by name, before seconds go into starting what would need it.
func RequireFreePort(address string, port int) error {
	for deadline := time.Now().Add(portPatience); ; time.Sleep(lockPause) {
		listener, err := net.Listen("tcp", net.JoinHostPort(address, strconv.Itoa(port)))
		if err == nil {
			return listener.Close()
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("port is not free: %w", err)
		}
	}
}
