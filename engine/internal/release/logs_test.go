package release

import (
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"testing"
)

func TestLastLinesAreAsFluxTellsThem(t *testing.T) {
	kept := &lastLines{secrets: []string{"hunter\"2"}}
	log := slog.New(kept)
	log.Debug("first, which is gone")
	for range 2 { // repeated, whatever comes between
		log.Debug("creating resource(s)", "resources", 4)
		log.With("namespace", "demo").With("name", "a").Info("Created resource", "dry", false)
	}
	log.Error("refused", slog.Any("error", errors.New("no: hunter\"2")))
	for i := range keptLines - 3 {
		log.Info(fmt.Sprint("line ", i))
	}
	lines := kept.lines()
	if len(lines) != keptLines {
		t.Fatalf("%d lines: %q", len(lines), lines)
	}
	for i, wanted := range []string{
		`creating resource\(s\): {"resources":4}`,
		`Created resource: {"dry":false,"name":"a","namespace":"demo"}`,
		`refused: {"error":"no: \*\*\*"}`,
		`line 0`,
	} {
		stamped := regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z: ` + wanted + `$`)
		if !stamped.MatchString(lines[i]) {
			t.Errorf("line %d is %s, wanted %s", i, lines[i], wanted)
		}
	}
}
