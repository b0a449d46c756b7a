package process

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

const (
	lockPatience = 10 * time.Second // a predecessor that was killed needs a moment to be gone
	lockPause    = 20 * time.Millisecond
)

// ClaimFolder makes the folder (0700) and locks it for the life of this process. Two servers on one folder would
// destroy its data. The lock is the kernel's, so a dead process leaves none behind.
func ClaimFolder(folder string) error {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return fmt.Errorf("state folder: %w", err)
	}
	// Never closed: closing would release the lock.
	fd, err := syscall.Open(filepath.Join(folder, "lock"), syscall.O_CREAT|syscall.O_RDWR|syscall.O_CLOEXEC, 0o600)
	if err != nil {
		return fmt.Errorf("state folder %s: %w", folder, err)
	}
	for deadline := time.Now().Add(lockPatience); ; time.Sleep(lockPause) {
		err := syscall.Flock(fd, syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) || time.Now().After(deadline) {
			return fmt.Errorf("state folder %s: in use by another process: %w", folder, err)
		}
	}
}
