package release

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
)

const keptLines = 10

// lastLines keeps Helm's last log lines, each once, for the event of an action that failed.
type lastLines struct {
	mu    sync.Mutex
	kept  []string
	attrs []slog.Attr
}

func (l *lastLines) Enabled(context.Context, slog.Level) bool { return true }

func (l *lastLines) Handle(_ context.Context, record slog.Record) error {
	var line strings.Builder
	line.WriteString(record.Message)
	record.Attrs(func(attr slog.Attr) bool {
		fmt.Fprintf(&line, " %s=%v", attr.Key, attr.Value)
		return true
	})
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.kept) > 0 && l.kept[len(l.kept)-1] == line.String() {
		return nil
	}
	l.kept = append(l.kept, line.String())
	if len(l.kept) > keptLines {
		l.kept = l.kept[1:]
	}
	return nil
}

func (l *lastLines) WithAttrs([]slog.Attr) slog.Handler { return l }

func (l *lastLines) WithGroup(string) slog.Handler { return l }

func (l *lastLines) lines() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]string{}, slices.Clone(l.kept)...)
}
