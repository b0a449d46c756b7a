package release

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"fleetloop.dev/engine/internal/mask"
)

const keptLines = 10

// lastLines keeps Helm's last log lines, each once, for the event of an action that failed.
type lastLines struct {
	mu      sync.Mutex
	kept    []line
	secrets []string // which no line tells
}

// withAttrs is a logger's handler that has attributes of its own.
type withAttrs struct {
	*lastLines
	attrs []slog.Attr
}

type line struct {
	at   time.Time
	text string
}

func (l *lastLines) Enabled(context.Context, slog.Level) bool { return true }

func (l *lastLines) Handle(_ context.Context, record slog.Record) error {
	text := l.textOf(record)
	l.mu.Lock()
	defer l.mu.Unlock()
	if slices.ContainsFunc(l.kept, func(kept line) bool { return kept.text == text }) {
		return nil
	}
	l.kept = append(l.kept, line{record.Time, text})
	if len(l.kept) > keptLines {
		l.kept = l.kept[1:]
	}
	return nil
}

// textOf has the attributes as JSON behind the message. They are masked before they are escaped.
func (l *lastLines) textOf(record slog.Record) string {
	text := mask.Text(record.Message, l.secrets...)
	attributes := map[string]any{}
	record.Attrs(func(attr slog.Attr) bool {
		value := attr.Value.Resolve()
		switch value.Kind() {
		case slog.KindBool, slog.KindInt64, slog.KindUint64, slog.KindFloat64:
			attributes[attr.Key] = value.Any()
		default:
			attributes[attr.Key] = mask.Text(value.String(), l.secrets...)
		}
		return true
	})
	if len(attributes) == 0 {
		return text
	}
	encoded, err := json.Marshal(attributes)
	if err != nil { // a number that JSON does not have
		encoded = fmt.Append(nil, attributes)
	}
	return fmt.Sprintf("%s: %s", text, encoded)
}

func (l *lastLines) WithAttrs(attrs []slog.Attr) slog.Handler { return withAttrs{l, attrs} }

func (l *lastLines) WithGroup(string) slog.Handler { return l }

func (w withAttrs) Handle(ctx context.Context, record slog.Record) error {
	record = record.Clone()
	record.AddAttrs(w.attrs...)
	return w.lastLines.Handle(ctx, record)
}

func (w withAttrs) WithAttrs(attrs []slog.Attr) slog.Handler {
	return withAttrs{w.lastLines, slices.Concat(w.attrs, attrs)}
}

func (w withAttrs) WithGroup(string) slog.Handler { return w }

func (l *lastLines) lines() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	lines := []string{}
	for _, kept := range l.kept {
		lines = append(lines, kept.at.UTC().Format(time.RFC3339Nano)+": "+kept.text)
	}
	return lines
}
