// Package process holds what every role needs of its operating system: a life bound to its parent's, a state folder
// of its own, and a free port.
package process

import (
	"io"
	"os"
)

// DieWithParent ends this process at once when stdin reaches its end, which happens when the parent that holds the
// other side of the pipe dies, however it dies. Nothing is flushed: every role survives a kill at any moment, and a
// successor may be waiting for the port already.
func DieWithParent() {
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(1)
	}()
}
